"""Judge by public examples alone: a student's own run, with no reference anywhere near.

The wall, the checks of contract and structure, the bound and the points are those of the real
grading. What needs the reference is left out, and each place says so: hidden cases, simpler inputs
that fail too, why an answer is wrong, and its weights in the student's own model.
"""

import math
import shlex
from typing import Literal

import msgspec
import numpy as np

from grader import rubric
from grader.diagnosis import Evidence
from grader.errors import UsageError
from grader.meter import Meter
from grader.model import Arguments, Case, Diagnosis, Exercise, Expected, Finding
from grader.questions import Question, Questions
from grader.run import Run
from grader.structure.static import Facts
from grader.trial import Trial

FILE = "examples.json"
_LARGEST = float(np.finfo(np.float32).max)
_MORE = "the real grading also asks hidden cases."


class Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the file's parts: frozen, keyword-only, strict when read."""


class Array(Struct, frozen=True, kw_only=True):
    """Numbers in a shape.

    Attributes:
        values: row-major; float32 numbers may be written in as few digits as name them.
    """

    shape: list[int]
    values: list[float]


class Example(Struct, frozen=True, kw_only=True):
    """One public case and what the reference says about it; see grader.model.Expected.

    Attributes:
        arguments: by name; arrays are float32.
        exact: float64; reference: float32, of the same shape.
        seconds: wall-clock time that the reference took on the author's machine, compiling
            included; deadlines follow from it.
    """

    family: str
    arguments: dict[str, float | Array]
    exact: Array
    reference: Array
    scale: float
    condition: float
    spread: float
    seconds: float


class Examples(Struct, frozen=True, kw_only=True):
    """What an exercise publishes of its cases: the file examples.json in its folder.

    Attributes:
        exercise, version: of the exercise that it belongs to.
        seed: hex, what the cases were generated from; no hidden suite's.
    """

    schema_version: Literal[1] = 1
    exercise: str
    version: str
    seed: str
    examples: list[Example]


class PublicExaminer:
    """Knows the answers to an exercise's public examples, and nothing else.

    It has no process and reads nothing of the exercise's folder but examples.json.

    Attributes:
        note: one sentence that says what is asked here, and that this is not all.

    Raises:
        UsageError: the file is missing, malformed or of another version of the exercise.
    """

    def __init__(self, exercise: Exercise) -> None:
        stored = read(exercise)
        self._exercise, self.seed, self.cpu_s = exercise, stored.seed, 0.0
        self.count = len(stored.examples)
        self._questions = questions(exercise, stored)
        many = "examples" if len(stored.examples) > 1 else "example"
        self.note = f"{len(stored.examples)} public {many}; {_MORE}"

    def meter(self) -> Meter:
        """Start measuring what one grading costs."""
        return Meter(self)

    def pose(self) -> Questions:
        """Return the examples, the smallest first: the first that fails is the smallest."""
        return self._questions

    def follow_up(self, run: Run, questions: Questions) -> Evidence:
        """Ask nothing more: there is nobody who knows what would be right."""
        return Evidence()

    def simplify(self, run: Run, questions: Questions) -> None:
        """Keep the example that failed: the smallest one is asked first."""

    def look_inside(self, run: Run, evidence: Evidence) -> None:
        """Compare nothing: there is no other network to compare with."""

    def findings(self, run: Run, facts: Facts, total: int) -> list[Finding]:
        """Return one finding a criterion; what cannot be judged neither costs nor gives points."""
        found = rubric.findings(self._exercise, facts, run.trial, total)
        return [self._as_public(finding, run.trial) for finding in found]

    def conclude(self, run: Run, evidence: Evidence, found: list[Finding]) -> Diagnosis:
        """Say nothing about why an answer is wrong."""
        return Diagnosis(kind="none")

    def _as_public(self, finding: Finding, trial: Trial) -> Finding:
        if finding.id == "values" and finding.status == "passed":
            text = f"{finding.message} They are the public examples; {_MORE}"
            return msgspec.structs.replace(finding, message=text)
        # The real grading then tries the reference's weights, and may find the forward pass right.
        open_ended = finding.status != "passed" and trial.watched is not None
        if finding.id != "forward" or not open_ended:
            return finding
        text = (
            f"Not judged and not counted here: worth {finding.max_points} points in the real "
            "grading, which also puts the reference's weights into your model."
        )
        because = {"because": "no reference"}
        return msgspec.structs.replace(
            finding, status="skipped", points=0, max_points=0, message=text, evidence=because
        )


def read(exercise: Exercise) -> Examples:
    """Read an exercise's public examples.

    Raises:
        UsageError: they are missing, malformed or of another exercise or version.
    """
    path = exercise.folder / FILE
    folder = shlex.quote(str(exercise.folder))
    mend = f"whoever wrote the exercise makes it with: grader examples {folder}"
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=Examples)
    except OSError as error:
        text = f"{exercise.name} has no public examples: cannot read {path} ({error.strerror})"
        raise UsageError(f"{text}; {mend}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is malformed: {error}; {mend}") from error
    ours, theirs = (exercise.name, exercise.version), (stored.exercise, stored.version)
    if ours != theirs:
        text = f"{path} is of {theirs[0]} version {theirs[1]}, here is {ours[0]} version {ours[1]}"
        raise UsageError(f"{text}; {mend}")
    wrong = "it holds no example" if not stored.examples else None
    for number, example in enumerate(stored.examples, 1):
        wrong = wrong or _malformed(exercise, number, example)
    if wrong is not None:
        raise UsageError(f"{path} is malformed: {wrong}; {mend}")
    return stored


def questions(exercise: Exercise, stored: Examples) -> Questions:
    """Return examples as questions: the smallest input first, then the smallest output."""
    asked = [_question(exercise, example) for example in stored.examples]
    return Questions(stored.seed, tuple(sorted(asked, key=_size)), ())


def _malformed(exercise: Exercise, number: int, example: Example) -> str | None:
    """Say what of an example does not fit the exercise, or itself; None when everything does."""
    where = f"example {number}"
    wanted, given = [one.name for one in exercise.arguments], example.arguments
    if set(given) != set(wanted):
        return f"{where} has the arguments {', '.join(given)}; expected {', '.join(wanted)}"
    for argument in exercise.arguments:
        if isinstance(given[argument.name], Array) != (argument.kind == "array"):
            return f"{where}: {argument.name} is no {argument.kind}"
    arrays = [(name, value) for name, value in given.items() if isinstance(value, Array)]
    arrays += [("exact", example.exact), ("reference", example.reference)]
    for name, array in arrays:
        # Two negative lengths would have the product of two positive ones.
        if min(array.shape, default=1) < 0 or math.prod(array.shape) != len(array.values):
            return f"{where}: {name} has {len(array.values)} values in a shape of {array.shape}"
        if max(map(abs, array.values), default=0.0) > _LARGEST:
            return f"{where}: {name} holds a number that float32 does not"
    if example.exact.shape != example.reference.shape:
        return f"{where}: exact and reference differ in shape"
    return None


def _question(exercise: Exercise, example: Example) -> Question:
    arguments: Arguments = {
        argument.name: value if isinstance(value, float) else _thaw(value, np.float32)
        for argument in exercise.arguments
        for value in [example.arguments[argument.name]]
    }
    expected = Expected(
        exact=_thaw(example.exact, np.float64),
        reference=_thaw(example.reference, np.float32),
        scale=example.scale,
        condition=example.condition,
        spread=example.spread,
        seconds=example.seconds,
    )
    return Question(Case(arguments, example.family), expected)


def _thaw(array: Array, dtype: type[np.floating]) -> np.ndarray:
    return np.array(array.values, np.float64).astype(dtype).reshape(array.shape)


def _size(question: Question) -> tuple[float, ...]:
    """Return what makes a question small: numbers that go in, that come out, their magnitude."""
    values = [np.asarray(value, np.float64) for value in question.case.arguments.values()]
    elements = sum(value.size for value in values)
    magnitude = sum(float(np.abs(value).sum()) for value in values)
    return elements, question.expected.exact.size, magnitude
