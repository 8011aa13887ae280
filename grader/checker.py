"""Compare an answer with the oracle's: shape first, then finiteness, then values by their bound."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from grader.model import Expected, Tolerance


class Mismatch(NamedTuple):
    """Why an answer is not right.

    Attributes:
        kind: "kind", "shape", "dtype", "non_finite" or "value".
        place: index of the worst element, for the last two.
    """

    kind: str
    place: tuple[int, ...] = ()
    actual: float = 0.0
    expected: float = 0.0
    error: float = 0.0
    bound: float = 0.0


def first_mismatch(
    actual: np.ndarray | None, expected: Expected, tolerance: Tolerance
) -> Mismatch | None:
    """Return the first way in which an answer differs, or None when it is right.

    The error is held against the scale of the whole case, never against single elements: a logit
    near zero is a difference of large terms and has no relative precision of its own.

    Args:
        actual: any[...]; None when the submission returned no array.
        expected: what the oracle says about the case.
    """
    if actual is None:
        return Mismatch("kind")
    if actual.shape != expected.exact.shape:
        return Mismatch("shape")
    if actual.dtype != np.float32:
        return Mismatch("dtype")
    bound = tolerance.bound(expected)
    wide = actual.astype(np.float64)
    finite = np.isfinite(wide)
    error = np.where(finite, np.abs(wide - expected.exact), np.inf)
    index = np.unravel_index(int(np.argmax(error)), error.shape) if error.size else ()
    if error.size == 0 or error[index] <= bound:
        return None
    kind = "value" if finite.all() else "non_finite"
    place: Sequence[int] = [int(axis) for axis in index]
    worst = (float(wide[index]), float(expected.exact[index]), float(error[index]))
    return Mismatch(kind, tuple(place), *worst, bound)


def margin(actual: np.ndarray, expected: Expected, tolerance: Tolerance) -> float:
    """Return the largest error in units of the bound; a right answer has at most 1."""
    error = np.max(np.abs(actual.astype(np.float64) - expected.exact), initial=0.0)
    bound = tolerance.bound(expected)
    return float(error / bound) if bound else 0.0
