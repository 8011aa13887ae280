"""Draw seeds and images of a known kind, and make failing ones simpler: what exercises share.

Pixels are short decimals, so that a report can show them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from grader.model import Arguments

Shape = tuple[int, int, int]
"""Height, width, channels."""

TALL: Shape = (7, 5, 3)
SMALL: tuple[Shape, ...] = (
    (1, 2, 1),
    (2, 1, 1),
    (2, 2, 1),
    (2, 3, 1),
    (3, 2, 1),
    (1, 2, 3),
    (2, 1, 3),
    (2, 2, 3),
    (2, 3, 3),
    (3, 2, 3),
    (7, 5, 1),
    TALL,
)
"""What a failing image shrinks to, the simplest first; a single pixel tells nothing."""

ORDINARY_SEEDS = st.integers(2, 250)
TELLING_SEEDS: Mapping[str, SearchStrategy[int]] = {
    "smallest_seeds": st.sampled_from([0, 1]),
    "seeds_above_8_bits": st.integers(2**8, 2**8 + 2**7),
    "seeds_above_16_bits": st.integers(2**16, 2**17),
    # Odd, so that float32 rounds them; integers up to 2**53 survive the float they are passed as.
    "seeds_above_24_bits": st.integers(2**23, 2**24).map(lambda n: 2 * n + 1),
    "largest_seeds": st.integers(2**31 - 2**10, 2**31 - 1),
}
"""Family to the seeds that show a seed that was cut off, rounded or taken for false."""

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


def other_pixels(name: str) -> Callable[[Sequence[Arguments]], SearchStrategy[Arguments]]:
    """Return a family's strategy: an earlier case with other pixels shows remembered answers.

    Args:
        name: of the argument that holds the image.
    """

    def draw(earlier: Sequence[Arguments]) -> SearchStrategy[Arguments]:
        return st.sampled_from(earlier).flatmap(
            lambda base: images("ordinary", np.shape(base[name])).map(
                lambda image: {**base, name: image}
            )
        )

    return draw


def other_seed(earlier: Sequence[Arguments]) -> SearchStrategy[Arguments]:
    """Draw an earlier case with another seed: shows a model that was remembered."""
    return st.builds(
        lambda base, seed: {**base, "seed": float(seed)},
        st.sampled_from(earlier),
        st.integers(251, 100_000),
    )


def repeated(earlier: Sequence[Arguments]) -> SearchStrategy[Arguments]:
    """Draw an earlier case once more: shows answers that depend on the number of calls."""
    return st.sampled_from(earlier)


def simpler_images(failing: np.ndarray) -> SearchStrategy[np.ndarray]:
    """Return images simpler than a failing one, float32[H, W, C], of its own shape or of SMALL."""
    smaller = [shape for shape in SMALL if np.prod(shape) < failing.size]
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
