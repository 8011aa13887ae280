"""Draw images of a known kind, and make a failing image simpler: for exercises that take one.

Pixels are short decimals, so that a report can show them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

Shape = tuple[int, int, int]
"""Height, width, channels."""

BRIGHT = 100.0
"""One pixel this bright among 400 ordinary ones drives activations beyond 6: shows a ReLU6."""


class Kind(NamedTuple):
    """Pixels: integers from lowest to highest, divided, shifted."""

    lowest: int
    highest: int
    divisor: float
    shift: float = 0.0


KINDS = {
    "ordinary": Kind(-200, 200, 100.0),
    "small_variance": Kind(-200, 200, 100_000.0),
    "large_magnitude": Kind(-2000, 2000, 1.0),
    "offset": Kind(100, 400, 100.0),
    "bytes": Kind(0, 255, 1.0),
    "unit": Kind(0, 100, 100.0),
    "bright_spot": Kind(-200, 200, 100.0),
    # What follows is hard to judge by: it shows what is thrown out.
    "black": Kind(0, 0, 1.0),
    "grey": Kind(50, 50, 100.0),
    "tiny": Kind(-200, 200, 100_000_000.0),
    "far_offset": Kind(-100, 100, 100.0, shift=3000.0),
}


def draw_image(kind: str, shape: Shape, seed: int) -> np.ndarray:
    """Return a random image, float32[H, W, C], of one of the kinds above."""
    random = np.random.default_rng(seed)
    lowest, highest, divisor, shift = KINDS[kind]
    pixels = random.integers(lowest, highest, size=shape, endpoint=True)
    image = (pixels / divisor + shift).astype(np.float32)
    if kind == "bright_spot":
        image[random.integers(shape[0]), random.integers(shape[1])] = BRIGHT
    return image


def images(kind: str, shape: Shape) -> SearchStrategy[np.ndarray]:
    """Return a strategy of images of one kind and shape."""
    return st.integers(0, 2**32 - 1).map(lambda seed: draw_image(kind, shape, seed))


def simpler_images(failing: np.ndarray, shapes: Sequence[Shape]) -> SearchStrategy[np.ndarray]:
    """Return images simpler than a failing one, of its own shape or a smaller one.

    Args:
        failing: float32[H, W, C].
        shapes: simplest first; only those with fewer elements are used.
    """
    smaller = [shape for shape in shapes if np.prod(shape) < failing.size]
    return st.builds(
        lambda shape, fill: fill(failing, shape),
        prefer([*smaller, failing.shape]),
        prefer([_one_bright_pixel, _count_up, _keep_one_decimal, np.resize]),
    )


def simpler_numbers(failing: float, simpler: Sequence[float]) -> SearchStrategy[float]:
    """Return a failing number and the smaller ones of a list, simplest first."""
    return prefer([*(float(value) for value in simpler if value < failing), failing])


def prefer(options: Sequence[Any]) -> SearchStrategy[Any]:
    """Draw mostly the last option, shrink towards the first.

    A failure must be met again before it can shrink, and only the last options are known to fail.
    """
    return st.integers(0, 1000).map(lambda index: options[min(index, len(options) - 1)])


def _one_bright_pixel(image: np.ndarray, shape: Shape) -> np.ndarray:
    fresh = np.zeros(shape, np.float32)
    fresh.flat[0] = 1.0
    return fresh


def _count_up(image: np.ndarray, shape: Shape) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def _keep_one_decimal(image: np.ndarray, shape: Shape) -> np.ndarray:
    return np.resize(image, shape).round(1)
