"""Generate inputs: families that each expose one kind of mistake, over few distinct shapes.

A new (H, W, C, num_classes) costs ten times a repeated one, because it compiles; so every family
draws from the same short list of shapes. Pixels are short decimals, so that a report can show them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from grader.model import Arguments, Family

Shape = tuple[int, int, int]

TALL: Shape = (7, 5, 3)
_SEEDS = st.integers(2, 250)
_BRIGHT = 100.0
"""One pixel this bright among 400 ordinary ones drives activations beyond 6: shows a ReLU6."""
PIXELS = {
    "ordinary": (-200, 200, 100.0),
    "small_variance": (-200, 200, 100_000.0),
    "large_magnitude": (-2000, 2000, 1.0),
    "offset": (100, 400, 100.0),
    "bytes": (0, 255, 1.0),
    "unit": (0, 100, 100.0),
    "bright_spot": (-200, 200, 100.0),
}
"""Kind of image to (lowest integer, highest integer, divisor)."""


def draw_pixels(kind: str, shape: Shape, seed: int) -> np.ndarray:
    """Return a random image, float32[H, W, C], of one of the kinds above."""
    random = np.random.default_rng(seed)
    low, high, divisor = PIXELS[kind]
    image = (random.integers(low, high, size=shape, endpoint=True) / divisor).astype(np.float32)
    if kind == "bright_spot":
        image[random.integers(shape[0]), random.integers(shape[1])] = _BRIGHT
    return image


def _inputs(
    kind: str = "ordinary",
    shape: Shape = TALL,
    num_classes: int = 10,
    seeds: SearchStrategy[int] = _SEEDS,
) -> SearchStrategy[Arguments]:
    """Return a strategy of arguments: one shape, one kind of image, any pixels and seed."""
    return st.builds(
        lambda seed, pixels: {
            "seed": float(seed),
            "image": draw_pixels(kind, shape, pixels),
            "num_classes": float(num_classes),
        },
        seeds,
        st.integers(0, 2**32 - 1),
    )


def _family(name: str, budget: int, *, smallest_suite: int = 0, **inputs: Any) -> Family:
    return Family(name, budget, lambda earlier: _inputs(**inputs), smallest_suite)


def _other_pixels(earlier: Sequence[Arguments]) -> SearchStrategy[Arguments]:
    """Same seed, shape and classes, other pixels: shows answers that were remembered."""
    return st.builds(
        lambda base, pixels: {
            **base,
            "image": draw_pixels("ordinary", np.shape(base["image"]), pixels),
        },
        st.sampled_from(earlier),
        st.integers(0, 2**32 - 1),
    )


def _other_seed(earlier: Sequence[Arguments]) -> SearchStrategy[Arguments]:
    """Same image and classes, another seed: shows a model that was remembered."""
    return st.builds(
        lambda base, seed: {**base, "seed": float(seed)},
        st.sampled_from(earlier),
        st.integers(251, 100_000),
    )


FAMILIES = (
    _family("ordinary", 12),
    _family("wide", 4, shape=(4, 9, 3)),
    _family("column", 4, shape=(8, 1, 3)),
    _family("row", 4, shape=(1, 8, 3)),
    _family("small_variance", 4, kind="small_variance"),
    _family("one_channel", 3, shape=(7, 5, 1)),
    _family("large_magnitude", 3, kind="large_magnitude", shape=(4, 9, 3)),
    _family("one_class", 3, num_classes=1),
    _family("many_channels", 3, shape=(7, 5, 8)),
    _family("many_classes", 3, num_classes=100),
    # Both of its sizes are known from above, so that this shape compiles next to nothing.
    _family("one_channel_one_class", 2, shape=(7, 5, 1), num_classes=1),
    _family("as_wide_as_the_network", 3, shape=(7, 5, 4)),
    _family("bytes", 2, kind="bytes"),
    _family("unit", 2, kind="unit"),
    _family("offset", 2, kind="offset"),
    _family("smallest_seeds", 2, seeds=st.sampled_from([0, 1])),
    _family("seeds_above_8_bits", 2, seeds=st.integers(2**8, 2**8 + 2**7)),
    _family("seeds_above_16_bits", 2, seeds=st.integers(2**16, 2**17)),
    # Odd, so that float32 rounds them; integers up to 2**53 survive the float they are passed as.
    _family("seeds_above_24_bits", 2, seeds=st.integers(2**23, 2**24).map(lambda n: 2 * n + 1)),
    _family("largest_seeds", 2, seeds=st.integers(2**31 - 2**10, 2**31 - 1)),
    Family("other_pixels", 4, _other_pixels),
    Family("other_seed", 4, _other_seed),
    _family("square", 3, shape=(20, 20, 3), smallest_suite=64),
    _family("bright_spot", 3, kind="bright_spot", shape=(20, 20, 3), smallest_suite=64),
    _family("two_channels", 2, shape=(7, 5, 2), num_classes=7, smallest_suite=64),
    _family("five_channels", 2, shape=(7, 5, 5), smallest_suite=64),
    _family("seven_classes", 3, num_classes=7, smallest_suite=64),
    _family("two_classes", 2, num_classes=2, smallest_suite=64),
    _family("three_classes", 2, num_classes=3, smallest_suite=64),
    Family("repeated", 4, lambda earlier: st.sampled_from(earlier)),
)

_SHAPES: tuple[Shape, ...] = (
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


def simpler(failing: Arguments) -> SearchStrategy[Arguments]:
    """Return inputs simpler than a failing one; every part shrinks towards the simplest value."""
    image = np.asarray(failing["image"])
    shapes = [shape for shape in _SHAPES if np.prod(shape) < image.size]
    seeds = [float(seed) for seed in (0, 1, 2, 3) if seed < float(failing["seed"])]
    classes = [float(count) for count in (1, 2, 3, 10) if count < float(failing["num_classes"])]
    return st.builds(
        lambda seed, count, shape, fill: {
            "seed": seed,
            "image": fill(image, shape),
            "num_classes": count,
        },
        _prefer([*seeds, failing["seed"]]),
        _prefer([*classes, failing["num_classes"]]),
        _prefer([*shapes, image.shape]),
        _prefer([_one_bright_pixel, _count_up, _keep_one_decimal, np.resize]),
    )


def _prefer(options: Sequence[Any]) -> SearchStrategy[Any]:
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
