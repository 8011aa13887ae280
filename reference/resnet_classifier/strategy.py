"""Generate inputs: families that each expose one kind of mistake, over few distinct shapes.

A new (H, W, C, num_classes) costs ten times a repeated one, because it compiles; so every family
draws from the same short list of shapes.
"""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from grader.inputs import (
    ORDINARY_SEEDS,
    TALL,
    TELLING_SEEDS,
    Shape,
    images,
    other_pixels,
    other_seed,
    repeated,
    simpler_images,
    simpler_numbers,
)
from grader.model import Arguments, Family


def _inputs(
    kind: str = "ordinary",
    shape: Shape = TALL,
    num_classes: int = 10,
    seeds: SearchStrategy[int] = ORDINARY_SEEDS,
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
    *(_family(name, 2, seeds=seeds) for name, seeds in TELLING_SEEDS.items()),
    Family("other_pixels", 4, other_pixels("image")),
    Family("other_seed", 4, other_seed),
    _family("square", 3, shape=(20, 20, 3), smallest_suite=64),
    _family("bright_spot", 3, kind="bright_spot", shape=(20, 20, 3), smallest_suite=64),
    _family("two_channels", 2, shape=(7, 5, 2), num_classes=7, smallest_suite=64),
    _family("five_channels", 2, shape=(7, 5, 5), smallest_suite=64),
    _family("seven_classes", 3, num_classes=7, smallest_suite=64),
    _family("two_classes", 2, num_classes=2, smallest_suite=64),
    _family("three_classes", 2, num_classes=3, smallest_suite=64),
    Family("repeated", 4, repeated),
    # In no suite: calibration draws them, and they must be thrown out or prove to be of use.
    _family("one_pixel", 0, shape=(1, 1, 3)),
    _family("black", 0, kind="black"),
    _family("grey", 0, kind="grey"),
    _family("tiny", 0, kind="tiny"),
    _family("two_pixels", 0, shape=(1, 2, 3)),
    _family("far_offset", 0, kind="far_offset"),
    _family("two_pixels_far_offset", 0, kind="far_offset", shape=(1, 2, 3)),
)


def simpler(failing: Arguments) -> SearchStrategy[Arguments]:
    """Return inputs simpler than a failing one; every part shrinks towards the simplest value."""
    return st.fixed_dictionaries(
        {
            "seed": simpler_numbers(float(failing["seed"]), (0, 1, 2, 3)),
            "image": simpler_images(np.asarray(failing["image"])),
            "num_classes": simpler_numbers(float(failing["num_classes"]), (1, 2, 3, 10)),
        }
    )
