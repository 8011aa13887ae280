"""Generate inputs: families that each expose one kind of mistake, over few distinct shapes.

A new (H, W, F) costs ten times a repeated one, because it compiles; so every family draws from the
same short list of shapes.
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
    kind: str = "ordinary", shape: Shape = TALL, seeds: SearchStrategy[int] = ORDINARY_SEEDS
) -> SearchStrategy[Arguments]:
    """Return a strategy of arguments: one shape, one kind of feature map, any pixels and seed."""
    return st.fixed_dictionaries({"seed": seeds.map(float), "x": images(kind, shape)})


def _family(name: str, budget: int, **inputs: Any) -> Family:
    return Family(name, budget, lambda earlier: _inputs(**inputs))


FAMILIES = (
    _family("ordinary", 5),
    _family("wide", 2, shape=(4, 9, 3)),
    _family("column", 2, shape=(8, 1, 3)),
    _family("row", 2, shape=(1, 8, 3)),
    _family("one_feature", 2, shape=(7, 5, 1)),
    _family("two_features", 2, shape=(6, 6, 2)),
    _family("four_features", 2, shape=(7, 5, 4)),
    _family("many_features", 2, shape=(7, 5, 8)),
    # Faint inputs show epsilon and whatever BatchNorm would hide.
    _family("small_variance", 3, kind="small_variance"),
    # The shortcut keeps the input's magnitude: shows a clip, a ReLU6, float16.
    _family("large_magnitude", 2, kind="large_magnitude", shape=(4, 9, 3)),
    _family("offset", 1, kind="offset"),
    _family("bytes", 1, kind="bytes"),
    _family("unit", 1, kind="unit"),
    *(_family(name, 1, seeds=seeds) for name, seeds in TELLING_SEEDS.items()),
    Family("other_pixels", 3, other_pixels("x")),
    Family("other_seed", 2, other_seed),
    Family("repeated", 2, repeated),
    # In no suite: calibration draws them, and they must be thrown out or prove to be of use.
    _family("one_pixel", 0, shape=(1, 1, 3)),
    _family("black", 0, kind="black"),
    _family("grey", 0, kind="grey"),
    _family("tiny", 0, kind="tiny"),
    _family("two_pixels", 0, shape=(1, 2, 3)),
    _family("far_offset", 0, kind="far_offset"),
)


def simpler(failing: Arguments) -> SearchStrategy[Arguments]:
    """Return inputs simpler than a failing one; every part shrinks towards the simplest value."""
    return st.fixed_dictionaries(
        {
            "seed": simpler_numbers(float(failing["seed"]), (0, 1, 2, 3)),
            "x": simpler_images(np.asarray(failing["x"])),
        }
    )
