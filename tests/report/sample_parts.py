"""Parts of which the samples are made."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from grader.model.report import (
    CaseResult,
    Counterexample,
    Finding,
    Image,
    Number,
    Stage,
    Status,
    Worst,
)

FAMILIES = ("plain_images", "one_pixel", "tall_and_thin", "many_classes", "flat_channels")
SOURCE = '''\
"""A small network."""

import jax.numpy as jnp
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs):
        self.stem_conv = nnx.Conv(1, 4, kernel_size=(3, 3), rngs=rngs)
        self.head = nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, image):
        x = nnx.relu(self.stem_conv(image))
        pooled = jnp.mean(x, axis=0)  # only one of the two axes
        return self.head(pooled)


def forward(seed, image, num_classes):
    return Net(nnx.Rngs(int(seed)))(image).reshape(-1)
'''
SNIPPET = """\
import numpy as np
from submission import forward

seed = 0.0
image = np.array([1, 0, 0, 0], np.float32).reshape((2, 2, 1))
image.setflags(write=False)
num_classes = 3.0
expected = np.array([0.369383003, -0.21, 1.5], np.float32).reshape((3,))
actual = np.asarray(forward(seed, image, num_classes))
print("expected", expected.shape, expected)
print("actual  ", actual.shape, actual)
if actual.shape == expected.shape:
    print("largest difference", np.abs(actual - expected).max())
"""


def numbers(shape: Sequence[int], seed: int = 0, shift: float = 0.0) -> list[Number]:
    """Return as many numbers as a shape holds, alike each time."""
    drawn = np.random.default_rng(seed).normal(size=tuple(shape)) + shift
    return [float(f"{value:.9g}") for value in drawn.ravel()]


def finding(
    id: str, title: str, status: Status, worth: int, message: str, **evidence: Any
) -> Finding:
    """Return a finding that gets all of its points or none."""
    points = worth if status == "passed" else 0
    return Finding(
        id=id,
        title=title,
        status=status,
        points=points,
        max_points=worth,
        message=message,
        evidence=evidence,
    )


def cases(failing: Sequence[int] = (), margin: Number = 310.0, count: int = 60) -> list[CaseResult]:
    """Return a suite's results: families in turns, margins from 0 to 0.1."""
    spread = np.random.default_rng(7).uniform(-4, -1, count)
    return [
        CaseResult(
            number=at + 1,
            family=FAMILIES[at % len(FAMILIES)],
            shape=[2 + at % 7, 2 + at % 5, 1 + at % 3],
            margin=margin if at + 1 in failing else 0.0 if at == 3 else float(10 ** spread[at]),
            bound=1.2e-5,
            passed=at + 1 not in failing,
        )
        for at in range(count)
    ]


def stage(
    name: str, agrees: bool | None, shape: Sequence[int], shift: float = 0.0, note: str = ""
) -> Stage:
    """Return a stage whose numbers differ by a shift."""
    return Stage(
        name=name,
        agrees=agrees,
        expected_shape=list(shape),
        actual_shape=None if agrees is None else list(shape),
        expected=numbers(shape, len(name)),
        actual=None if agrees is None else numbers(shape, len(name), shift),
        note=note,
    )


WRONG = [
    finding("runs", "Imports and runs", "passed", 5, "Every call returned."),
    finding(
        "values",
        "Every case within tolerance",
        "failed",
        60,
        "Result[0] is 0.219504; expected 0.369383, an error of 0.15 where 1.2e-05 is "
        "allowed. This is the smallest failing input found: seed=0, image of shape "
        "(2, 2, 1), num_classes=3.",
    ),
    finding(
        "pooling",
        "Global average pooling over (0, 1)",
        "failed",
        15,
        "head receives the mean over height, axes (0,); expected the mean over height "
        "and width, axes (0, 1).",
        line=14,
    ),
    finding("head", "Attribute head", "passed", 2, "It is there.", line=10),
    finding("order", "Each block called once", "skipped", 18, "Not judged: no blocks."),
    finding("style", "Compiles under jit", "informational", 0, "It does."),
]
"""Findings of a wrong answer; two of them name a line of SOURCE."""

EXAMPLE = Counterexample(
    arguments={
        "seed": 0.0,
        "image": Image(shape=[2, 2, 1], values=[1.0, 0.0, 0.0, 0.0]),
        "num_classes": 3.0,
    },
    expected=[0.369383, -0.21, 1.5],
    expected_shape=[3],
    actual=[0.219504, -0.2, 1.4],
    actual_shape=[3],
    worst=Worst(index=[0], expected=0.369383, actual=0.219504, error=0.149879, bound=1e-5),
    snippet=SNIPPET,
)
"""One input of two by two pixels, and three numbers that are wrong."""
