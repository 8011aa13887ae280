"""Read how a convolution slides from its claimed settings, and bound what recomputing it takes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from grader import formulas

AN_ARRAY = "array"
"""What a worker reports in place of an array that is no weight, a Conv's mask."""
_OTHER_PADDINGS = ("CIRCULAR", "REFLECT", "SAME_LOWER")
MOST_WINDOWED, MOST_PRODUCTS = 1 << 23, 1 << 28
"""Numbers in all windows of a convolution, and products to be summed: seven and five times what
arrays of a worker's 512 KiB can need, with a window of 3x3."""

_Pair = tuple[int, int]


class Sliding(NamedTuple):
    """Settings of a two-dimensional convolution, those of `formulas.conv`."""

    strides: _Pair
    padding: str | tuple[_Pair, _Pair]
    dilation: _Pair
    groups: int

    def evaluate(
        self, image: np.ndarray, kernel: np.ndarray, bias: np.ndarray | None
    ) -> np.ndarray:
        """Correlate image float[H, W, C] with the kernel, in float64."""
        return formulas.conv(
            image,
            kernel,
            bias,
            strides=self.strides,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    def fits(
        self,
        given: tuple[int, ...],
        output: int,
        kernel: tuple[int, ...],
        bias: tuple[int, ...] | None,
    ) -> bool:
        """Whether claimed shapes are those of one call, and few enough numbers take part in it.

        Args:
            given, kernel, bias: shapes; the kernel's is (h, w, C / groups, F).
            output: how many numbers came out.
        """
        if len(kernel) != 4:
            return False
        *window, inputs, features = kernel
        along = self._along(given[-3:-1], window)
        padded = math.prod(size + sum(axis.padding) for size, axis in along)
        positions = math.prod(given[:-3]) * math.prod(axis.steps for _, axis in along)
        windowed = positions * inputs * self.groups * math.prod(window)
        return (
            given[-1:] == (inputs * self.groups,)
            and features % self.groups == 0
            and bias in (None, (features,))
            and output == positions * features
            and padded * given[-1] <= MOST_WINDOWED
            and windowed <= MOST_WINDOWED
            and windowed * (features // self.groups) <= MOST_PRODUCTS
        )

    def _along(
        self, sizes: Sequence[int], window: Sequence[int]
    ) -> list[tuple[int, formulas.Sliding]]:
        """Each axis of an image, its size first; fewer than two where that is no image."""
        return [
            (
                size,
                formulas.slide(
                    size,
                    window[axis],
                    stride=self.strides[axis],
                    dilation=self.dilation[axis],
                    padding=self.padding if isinstance(self.padding, str) else self.padding[axis],
                ),
            )
            for axis, size in enumerate(sizes)
        ]


def read_sliding(settings: Mapping[str, Any]) -> Sliding | None:
    """Read the settings of a convolution; what is not among them has Flax's default.

    Returns:
        None when they are of a convolution that is not recomputed: with an input dilation, a mask,
        another number of axes, or a padding that is neither of zeros nor SAME or VALID.

    Raises:
        ValueError: no convolution over images has such settings.
    """
    rank = settings.get("kernel_size")
    if isinstance(rank, list) and len(rank) in (1, 3):
        return None
    groups = _positive(settings.get("feature_group_count", 1))
    strides = _pair(settings.get("strides"))
    dilation = _pair(settings.get("kernel_dilation"))
    spread = _pair(settings.get("input_dilation"))
    padding = _padding(settings.get("padding", "SAME"))
    mask = settings.get("mask")
    if mask not in (None, AN_ARRAY):
        raise ValueError("a mask is an array")
    if padding is None or mask is not None or spread != (1, 1):
        return None
    return Sliding(strides, padding, dilation, groups)


def _padding(value: Any) -> str | tuple[_Pair, _Pair] | None:
    """Read what Flax takes: a name, a number, or a number or pair for each axis."""
    if isinstance(value, str):
        if value in _OTHER_PADDINGS:
            return None
        if value.upper() in ("SAME", "VALID"):  # XLA reads the name in either case
            return value.upper()
        raise ValueError("no padding has this name")
    high, wide = value if isinstance(value, (list, tuple)) else (value, value)
    pairs = (_ends(high), _ends(wide))
    # Less than no padding crops the image.
    return None if min(*pairs[0], *pairs[1]) < 0 else pairs


def _ends(value: Any) -> _Pair:
    before, after = value if isinstance(value, (list, tuple)) else (value, value)
    return _whole(before), _whole(after)


def _pair(value: Any) -> _Pair:
    """Read one number for both axes, or one for each; None is 1, as in Flax."""
    if value is None:
        return 1, 1
    high, wide = value if isinstance(value, (list, tuple)) else (value, value)
    return _positive(high), _positive(wide)


def _positive(value: Any) -> int:
    number = _whole(value)
    if number < 1:
        raise ValueError("strides, dilations and groups are positive")
    return number


def _whole(value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError("a setting is no whole number")
    return int(value)
