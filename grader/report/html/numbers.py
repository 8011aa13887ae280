"""Turn the report's flat lists into arrays and its numbers into short text."""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from grader.model.report import Number

Array: TypeAlias = npt.NDArray[np.float64]


def array(values: Sequence[Number] | None, shape: Sequence[int] | None) -> Array | None:
    """Return float64[shape], or None where there is nothing, or not as many as the shape says."""
    if values is None or shape is None or math.prod(shape) != len(values):
        return None
    return np.array([float(value) for value in values], np.float64).reshape(tuple(shape))


def written(value: float, digits: int = 6) -> str:
    """Return a number in at most so many significant digits."""
    return f"{value:.{digits}g}"


def brief(value: float) -> str:
    """Return a number that fits a cell: mostly within 6 characters."""
    text = written(value, 3)
    return text if len(text) <= 5 else written(value, 2)


def shaped(shape: Sequence[int]) -> str:
    """Return a shape as Python writes it."""
    return str(tuple(shape))


def counted(count: int, noun: str) -> str:
    """Return "1 case", "2 cases"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def described(values: Array) -> str:
    """Return what a picture of these numbers shows, in one sentence without its full stop."""
    finite = values[np.isfinite(values)]
    parts = [f"{values.size - finite.size} of {values.size} not finite"] * (
        finite.size < values.size
    )
    if finite.size:
        low, high = float(finite.min()), float(finite.max())
        same = low == high
        parts += [f"all {brief(low)}" if same else f"from {brief(low)} to {brief(high)}"]
    return ", ".join(parts) or "no numbers"
