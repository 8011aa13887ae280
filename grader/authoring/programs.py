"""Gather the programs whose verdict is known: right variants, misconceptions, fixtures."""

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from grader.errors import InternalError, SubmissionError, UsageError
from grader.intake import read_submission
from grader.model import Exercise
from grader.variants import Edits, edit, read_misconceptions, read_right_variants

Kind = Literal["right variant", "misconception", "accepted", "rejected"]

_AFTER_LOADING = frozenset({"wrong_answer", "structure"})
"""Verdicts that only a program that was loaded can get."""

REFERENCE = "reference"
"""Name of the right variant that is no variant."""

AS_GRADED = "as graded"
SETTINGS: Mapping[str, Mapping[str, str]] = {
    AS_GRADED: {},
    "XLA's own flags": {"XLA_FLAGS": ""},
    "two threads": {
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=true",
        "OPENBLAS_NUM_THREADS": "2",
        "OMP_NUM_THREADS": "2",
    },
    "highest precision": {"JAX_DEFAULT_MATMUL_PRECISION": "highest"},
}
"""Ways of running the same program that may round otherwise: name to environment variables."""


class Program(msgspec.Struct, frozen=True):
    """One program that must be accepted, or must not.

    Attributes:
        settings: a name in SETTINGS.
        equivalent: why no input can tell it from a right one; "" where one can.
        structural: whether structure alone may tell it from a right one: its mark or its expected
            verdict says so, or nothing says anything about it.
        unreadable: why intake refuses it; "" when it does not.
        loads: whether it must load: it is a misconception, whose edit is to make a mistake and no
            error, or its expected verdict is about answers or structure only.
    """

    name: str
    kind: Kind
    source: bytes
    settings: str = AS_GRADED
    equivalent: str = ""
    structural: bool = False
    unreadable: str = ""
    loads: bool = False

    @property
    def is_right(self) -> bool:
        """Whether it must be accepted."""
        return self.kind in ("right variant", "accepted")

    @property
    def is_ours(self) -> bool:
        """Whether it is a variant of the reference, which must never enter a worker."""
        return self.kind in ("right variant", "misconception")


class _Expectation(msgspec.Struct):
    """What expected.toml says, as far as it matters here."""

    equivalent: str = ""
    verdict: tuple[str, ...] = ()


def right_variants(exercise: Exercise) -> list[Program]:
    """Return the reference and its right variants, under each of SETTINGS.

    Raises:
        UsageError: right_variants.toml cannot be read, or an edit does not apply or leaves no
            Python.
    """
    solution = _solution(exercise)
    with _blaming_the_exercise(exercise):
        texts = {REFERENCE: solution} | {
            name: _edited(exercise, solution, variant.replace, name)
            for name, variant in read_right_variants(exercise.folder).items()
        }
    return [
        Program(name, "right variant", text.encode(), settings)
        for settings in SETTINGS
        for name, text in texts.items()
    ]


def misconceptions(exercise: Exercise) -> list[Program]:
    """Return the reference's named wrong variants.

    Raises:
        UsageError: a file of misconceptions cannot be read, or an edit does not apply or leaves no
            Python.
    """
    solution = _solution(exercise)
    with _blaming_the_exercise(exercise):
        return [
            Program(
                name,
                "misconception",
                _edited(exercise, solution, one.replace, name).encode(),
                equivalent=one.equivalent,
                structural=bool(one.equivalent),
                loads=True,
            )
            for name, one in read_misconceptions(exercise.folder).items()
        ]


def fixtures(exercise: Exercise, folder: Path) -> list[Program]:
    """Return the stored submissions of a folder's accepted/ and rejected/.

    Each is a folder or a file, as a student would send it; an expected.toml may lie in it.

    Raises:
        UsageError: an expected.toml cannot be read.
    """
    found: list[Program] = []
    kinds: tuple[Kind, ...] = ("accepted", "rejected")
    for kind in kinds:
        paths = (folder / kind).iterdir() if (folder / kind).is_dir() else ()
        found += [_fixture(exercise, path, kind) for path in sorted(paths)]
    return found


def _fixture(exercise: Exercise, path: Path, kind: Kind) -> Program:
    beside = path / "expected.toml"
    try:
        tables = tomllib.loads(beside.read_text(encoding="utf-8-sig")) if beside.exists() else {}
        told = msgspec.convert(tables, _Expectation)
    except (OSError, ValueError) as error:
        raise UsageError(f"{beside}: {error}") from error
    loads = bool(told.verdict) and _AFTER_LOADING.issuperset(told.verdict)
    try:
        read = read_submission(path, file_names=exercise.file_names, entry=exercise.entry)
    except SubmissionError as error:
        return Program(path.stem, kind, b"", unreadable=error.message, loads=loads)
    declared = bool(told.equivalent) or "structure" in told.verdict
    return Program(
        path.stem,
        kind,
        read.source,
        equivalent=told.equivalent,
        structural=declared or not beside.exists(),
        loads=loads,
    )


def _edited(exercise: Exercise, solution: str, replace: Edits, name: str) -> str:
    """Return the edited text; one that cannot be parsed would count as caught, by its import."""
    text = edit(solution, replace, name=name)
    try:
        compile(text, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise UsageError(
            f"{exercise.folder.name}: {name}: the edited solution.py is no Python: "
            f"line {error.lineno}: {error.msg}"
        ) from None
    return text


@contextmanager
def _blaming_the_exercise(exercise: Exercise) -> Iterator[None]:
    """To whoever writes an exercise, an edit that does not apply is no bug of the grader."""
    try:
        yield
    except InternalError as error:
        raise UsageError(f"{exercise.folder.name}: {error}") from error


def _solution(exercise: Exercise) -> str:
    return (exercise.folder / "solution.py").read_text(encoding="utf-8")
