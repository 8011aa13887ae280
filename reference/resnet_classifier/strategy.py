"""Generate inputs: families that each expose one kind of mistake, over few distinct shapes.

A new (H, W, C, num_classes) costs ten times a repeated one, because it compiles; so every family
draws from the same short list of shapes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from grader.model import Arguments, Family
from reference.images import Shape, images, simpler_images, simpler_numbers

TALL: Shape = (7, 5, 3)
_SEEDS = st.integers(2, 250)


def _inputs(
    kind: str = "ordinary",
    shape: Shape = TALL,
    num_classes: int = 10,
    seeds: SearchStrategy[int] = _SEEDS,
) -> SearchStrategy[Arguments]:
    """Return a strategy of arguments: one shape, one kind of image, any pixels and seed."""
    return st.fixed_dictionaries(
        {
            "seed": seeds.map(float),
            "image": images(kind, shape),
            "num_classes": st.just(float(num_classes)),
        }
    )


def _family(name: str, budget: int, *, smallest_suite: int = 0, **inputs: Any) -> Family:
    return Family(name, budget, lambda earlier: _inputs(**inputs), smallest_suite)


def _other_pixels(earlier: Sequence[Arguments]) -> SearchStrategy[Arguments]:
    """Same seed, shape and classes, other pixels: shows answers that were remembered."""
    return st.sampled_from(earlier).flatmap(
        lambda base: images("ordinary", np.shape(base["image"])).map(
            lambda image: {**base, "image": image}
        )
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
    # In no suite: calibration draws them, and they must be thrown out or prove to be of use.
    _family("one_pixel", 0, shape=(1, 1, 3)),
    _family("black", 0, kind="black"),
    _family("grey", 0, kind="grey"),
    _family("tiny", 0, kind="tiny"),
    _family("two_pixels", 0, shape=(1, 2, 3)),
    _family("far_offset", 0, kind="far_offset"),
    _family("two_pixels_far_offset", 0, kind="far_offset", shape=(1, 2, 3)),
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
    return st.fixed_dictionaries(
        {
            "seed": simpler_numbers(float(failing["seed"]), (0, 1, 2, 3)),
            "image": simpler_images(np.asarray(failing["image"]), _SHAPES),
            "num_classes": simpler_numbers(float(failing["num_classes"]), (1, 2, 3, 10)),
        }
    )
