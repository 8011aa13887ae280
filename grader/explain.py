"""Put failures into sentences: what was seen, what was expected, on which input."""

import math
from typing import TYPE_CHECKING

from grader.model import Case, CaseResult, Counterexample, Exercise, Image, Worst
from grader.model.report import Number
from grader.snippet import snippet
from grader.text import printable, with_article
from grader.trial import Failure, Trial

if TYPE_CHECKING:
    import numpy as np


def describe_input(case: Case) -> str:
    """Return "seed=3, image of shape (7, 5, 3), num_classes=10"."""
    parts = []
    for name, value in case.arguments.items():
        if isinstance(value, int | float):
            parts.append(f"{name}={value:g}" if abs(value) < 1e6 else f"{name}={value:.0f}")
        else:
            parts.append(f"{name} of shape {value.shape}")
    return ", ".join(parts)


def describe_mismatch(failure: Failure) -> str:
    """Return one sentence that says what was returned and what was expected."""
    mismatch, wanted = failure.mismatch, failure.expected.exact.shape
    assert mismatch is not None and failure.answer is not None
    array = failure.answer.array
    if mismatch.kind == "kind" or array is None:
        returned = printable(failure.answer.returned, limit=60)
        it = "None (is a return missing?)" if returned == "NoneType" else with_article(returned)
        return f"It returned {it}; expected a JAX or NumPy array of shape {wanted}."
    if mismatch.kind == "shape":
        return f"It returned an array of shape {array.shape}; expected shape {wanted}."
    if mismatch.kind == "dtype":
        dtype = printable(failure.answer.dtype, limit=30)
        return f"It returned an array of dtype {dtype}; expected float32."
    place = ", ".join(map(str, mismatch.place))
    if mismatch.kind == "non_finite":
        return f"Result[{place}] is {mismatch.actual}; expected {mismatch.expected:.6g}."
    return (
        f"Result[{place}] is {mismatch.actual:.6g}; expected {mismatch.expected:.6g}, "
        f"an error of {mismatch.error:.2g} where {mismatch.bound:.2g} is allowed."
    )


def describe_answer(failure: Failure) -> str:
    """Return kind, dtype and shape of what came back."""
    answer = failure.answer
    if answer is None or answer.array is None:
        return printable(answer.returned, limit=60) if answer is not None else "nothing"
    return f"{answer.dtype}{list(answer.array.shape)}"


def counterexample(entry: str, failure: Failure) -> Counterexample:
    """Return the report's form of a failure.

    Args:
        entry: name of the student's function.
    """
    arguments: dict[str, float | Image] = {}
    for name, value in failure.case.arguments.items():
        if isinstance(value, int | float):
            arguments[name] = float(value)
        else:
            pixels = [float(pixel) for pixel in value.ravel()]
            arguments[name] = Image(shape=list(value.shape), values=pixels)
    exact, actual = failure.expected.exact, _actual(failure)
    return Counterexample(
        arguments=arguments,
        expected=[_rounded(value) for value in exact.ravel()],
        expected_shape=list(exact.shape),
        actual=None if actual is None else [number(float(value)) for value in actual.ravel()],
        actual_shape=None if actual is None else list(actual.shape),
        worst=_worst(failure),
        snippet=snippet(entry, failure.case, exact),
    )


def case_results(exercise: Exercise, trial: Trial) -> list[CaseResult]:
    """Return the report's form of every case that was judged."""
    return [
        CaseResult(
            number=place,
            family=case.family,
            shape=list(exercise.shape(case)),
            margin=number(outcome.margin),
            bound=_rounded(exercise.tolerance.bound(expected)),
            passed=outcome.failure is None,
        )
        for place, (case, expected, outcome) in enumerate(trial.results, 1)
    ]


def _actual(failure: Failure) -> "np.ndarray | None":
    """The array that came back, as far as it holds real numbers and not too many."""
    array = failure.answer.array if failure.answer is not None else None
    if array is None or array.dtype.kind not in "fiub" or array.size > 4096:
        return None
    return array


def _worst(failure: Failure) -> Worst | None:
    mismatch = failure.mismatch
    if mismatch is None or mismatch.kind not in ("value", "non_finite"):
        return None
    return Worst(
        index=list(mismatch.place),
        expected=_rounded(mismatch.expected),
        actual=number(mismatch.actual),
        error=number(mismatch.error),
        bound=_rounded(mismatch.bound),
    )


def number(value: float) -> Number:
    """Return a finite number rounded to 9 significant digits, or the name of what it is."""
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return _rounded(value)


def _rounded(value: float) -> float:
    """Nine significant digits hold every float32 exactly."""
    return float(f"{value:.9g}")
