"""Make an exercise's public examples with the oracle, and see whether stored ones still hold."""

import hashlib
import tempfile
from pathlib import Path

import msgspec
import numpy as np

from grader import public
from grader.checker import first_mismatch
from grader.errors import OracleError
from grader.model import Exercise, Expected, Value
from grader.oracle import Oracle
from grader.questions import Question, pose
from grader.suites import recall_or_generate

COUNT = 12
"""Examples: the first case of each of the exercise's first families."""
_SAME = 1e-3
"""Of scale, condition and spread. They are float64 functions of float32 weights, which another
machine's rounding moves by 1e-7 or so; a bound that differs by this much judges alike."""


def make(exercise: Exercise) -> public.Examples:
    """Return an exercise's public examples, none of them a case of its default suite.

    They are computed without any cache, so that the seconds hold what a first run takes.

    Raises:
        OracleError: no case is left, or the reference failed.
    """
    seed = hashlib.sha256(f"{exercise.name} {exercise.version} public".encode()).hexdigest()[:16]
    with tempfile.TemporaryDirectory() as fresh, Oracle(exercise, Path(fresh)) as oracle:
        asked = pose(exercise, oracle, seed, COUNT).asked
        hidden = _hidden(exercise, oracle)
    kept = [question for question in asked if question.case.digest not in hidden]
    if not kept:
        raise OracleError(f"every public case of {exercise.name} is one of its hidden cases")
    return public.Examples(
        exercise=exercise.name,
        version=exercise.version,
        seed=seed,
        examples=[as_example(question) for question in kept],
    )


def as_text(examples: public.Examples) -> str:
    """Return the file's text: JSON, one example a line."""
    head = msgspec.json.encode(msgspec.structs.replace(examples, examples=[])).decode()
    lines = ",\n".join(msgspec.json.encode(one).decode() for one in examples.examples)
    return f"{head.removesuffix(']}')}\n{lines}\n]}}\n"


def problems(exercise: Exercise, stored: public.Examples, oracle: Oracle) -> list[str]:
    """Say what of stored examples is out of date; empty when nothing is.

    The stored inputs are asked again: which ones Hypothesis would draw differs between versions.
    """
    asked = public.questions(exercise, stored).asked
    hidden = _hidden(exercise, oracle)
    found = []
    for (case, kept), computed in zip(
        asked, oracle.expect([question.case for question in asked]), strict=True
    ):
        wrong = _difference(exercise, kept, computed)
        if case.digest in hidden:
            wrong = "it is a case of the default suite"
        if wrong is not None:
            found.append(f"the example of family {case.family}: {wrong}")
    return found


def _difference(exercise: Exercise, kept: Expected, computed: Expected) -> str | None:
    """Say how a stored answer differs from what is computed now; None when it does not."""
    unfit = exercise.tolerance.unfit(computed)
    if unfit is not None:
        return f"it cannot be judged by: {unfit}"
    for array in (kept.exact.astype(np.float32), kept.reference):
        mismatch = first_mismatch(array, computed, exercise.tolerance)
        if mismatch is not None and mismatch.kind == "shape":
            return f"its shape is {array.shape}, computed {computed.exact.shape}"
        if mismatch is not None:
            return f"it is off by {mismatch.error:.2g}, where {mismatch.bound:.2g} is allowed"
    for name in ("scale", "condition", "spread"):
        before, now = getattr(kept, name), getattr(computed, name)
        if not np.isclose(before, now, rtol=_SAME, atol=0):
            return f"its {name} is {before:.6g}, computed {now:.6g}"
    return None


def _hidden(exercise: Exercise, oracle: Oracle) -> set[str]:
    """Digests of the default suite's cases, spares included."""
    suite = recall_or_generate(exercise, oracle, exercise.default_seed, exercise.cases)
    return {case.digest for case in suite.cases}


def as_example(question: Question) -> public.Example:
    """Return a question as it is stored: every number survives."""
    case, expected = question
    return public.Example(
        family=case.family,
        arguments={name: _freeze(value) for name, value in case.arguments.items()},
        exact=_array(expected.exact),
        reference=_array(expected.reference),
        scale=expected.scale,
        condition=expected.condition,
        spread=expected.spread,
        seconds=round(expected.seconds, 2),
    )


def _freeze(value: Value) -> float | public.Array:
    return value if isinstance(value, float) else _array(value)


def _array(array: np.ndarray) -> public.Array:
    return public.Array(shape=list(array.shape), values=[_short(one) for one in array.ravel()])


def _short(value: np.floating) -> float:
    """Return the float of fewest digits that still is this number in its own precision."""
    short = float(str(value))
    return short if value.dtype.type(short) == value else float(value)
