"""A reduction is named by what it does, and only the mean over height and width is right."""

import numpy as np
import pytest

from grader.structure.reductions import explain, is_mean, without_batch

MAP = np.random.default_rng(3).standard_normal((7, 5, 4)).astype(np.float32)


@pytest.mark.parametrize(
    "pooled",
    [MAP.mean((0, 1)), MAP.reshape(-1, 4).mean(0), MAP.mean(0).mean(0), MAP.mean((0, 1))[None],
     MAP.sum((0, 1)) / 35, MAP.mean((0, 1), keepdims=True)],
)  # fmt: skip
def test_every_spelling_of_the_mean_is_right(pooled: np.ndarray) -> None:
    assert is_mean(MAP, pooled, (0, 1))


@pytest.mark.parametrize(
    ("pooled", "said"),
    [
        (MAP.mean(-1), "the mean over channels, axes (2,)"),
        (MAP.mean(0), "the mean over height, axes (0,)"),
        (MAP.mean(1), "the mean over width, axes (1,)"),
        (MAP.max((0, 1)), "the max over height and width, axes (0, 1)"),
        (MAP.sum((0, 1)), "the sum over height and width, axes (0, 1)"),
        (MAP.mean(), "the mean over height and width and channels, axes (0, 1, 2)"),
        (MAP.sum((0, 1)) / 49, "the sum over height and width divided by H*H"),
        (MAP.reshape(-1), "the flattened feature map"),
        (MAP, "the whole feature map, not reduced at all"),
        (MAP.mean((0, 1)) * 1.01, None),
        (np.full(4, np.nan), None),
    ],
)
def test_wrong_reductions_are_named_and_never_right(pooled: np.ndarray, said: str | None) -> None:
    assert not is_mean(MAP, np.asarray(pooled), (0, 1))
    assert explain(MAP, np.asarray(pooled)) == said


def test_only_axes_of_length_one_are_taken_for_a_batch() -> None:
    assert without_batch(MAP[None], 3) is not None
    assert without_batch(np.stack([MAP, MAP]), 3) is None
    assert without_batch(MAP[0], 3) is None
