"""Explain what reduction turns one array into another."""

from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np

_AXIS_NAMES = ("height", "width", "channels")
_OPERATIONS: dict[str, Callable[..., np.ndarray]] = {
    "mean": np.mean,
    "max": np.max,
    "sum": np.sum,
    "min": np.min,
    "median": np.median,
}
_RELATIVE = 1e-5
"""Float32 sums of a few hundred elements agree to about 1e-6 of the largest, in any order."""


def without_batch(array: np.ndarray, rank: int) -> np.ndarray | None:
    """Drop leading axes of length 1 until the rank fits; None when it cannot."""
    while array.ndim > rank and array.shape[0] == 1:
        array = array[0]
    return array if array.ndim == rank else None


def same(left: np.ndarray, right: np.ndarray, scale: float | None = None) -> bool:
    """Whether two arrays hold the same numbers up to float32 rounding, axes of length 1 aside."""
    if left.size != right.size or np.squeeze(left).shape != np.squeeze(right).shape:
        return False
    left, right = np.squeeze(left).astype(np.float64), np.squeeze(right).astype(np.float64)
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        return False
    largest = np.max(np.abs(right), initial=0.0) if scale is None else scale
    return bool(np.max(np.abs(left - right), initial=0.0) <= _RELATIVE * largest + 1e-12)


def is_mean(source: np.ndarray, target: np.ndarray, axes: tuple[int, ...]) -> bool:
    """Whether target is the mean of source, float[H, W, C], over axes."""
    largest = float(np.max(np.abs(source), initial=0.0))
    return same(target, source.astype(np.float64).mean(axes), largest)


def explain(source: np.ndarray, target: np.ndarray) -> str | None:
    """Name the reduction that leads from source to target; None when none does.

    Args:
        source: float[H, W, C], or with leading axes of length 1, which the axes named count.
    """
    image = without_batch(source, 3)
    if image is None:
        return None
    batch, left = source.ndim - image.ndim, source.ndim - target.ndim
    largest = float(np.max(np.abs(source), initial=0.0))
    for description, candidate in _candidates(image.astype(np.float64), batch, left):
        if candidate.size == target.size and same(
            target, candidate, max(largest, float(np.max(np.abs(candidate), initial=0.0)))
        ):
            return description
    return None


def _candidates(source: np.ndarray, batch: int, left: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield what students do in place of the mean over height and width.

    Args:
        batch: how many axes of length 1 the student's array has in front of these.
        left: how many axes fewer the target has: whether those were reduced as well.
    """
    first = ", ".join(["0"] * batch + [""])
    for name, operation in _OPERATIONS.items():
        for count in (2, 1, 3):
            for axes in combinations(range(source.ndim), count):
                names = [_AXIS_NAMES[axis] for axis in axes]
                written = [axis + batch for axis in axes]
                if batch and left == batch + count:
                    names, written = ["batch", *names], [*range(batch), *written]
                where = f"{' and '.join(names)}, axes {tuple(written)}"
                yield f"the {name} over {where}", operation(source, axis=axes)
    height, width = source.shape[:2]
    total = source.sum((0, 1))
    yield "the sum over height and width divided by H*H", total / height**2
    yield "the sum over height and width divided by W*W", total / width**2
    yield "the sum over height and width divided by H", total / height
    yield "the sum over height and width divided by W", total / width
    yield f"the corner pixel [{first}0, 0]", source[0, 0]
    yield f"the last pixel [{first}-1, -1]", source[-1, -1]
    yield "the middle pixel", source[height // 2, width // 2]
    yield "the flattened feature map", source.reshape(-1)
    yield "the whole feature map, not reduced at all", source
