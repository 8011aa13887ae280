"""What the formulas give without further settings is what they always gave, to the last bit."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from grader.formulas import conv, slide


@pytest.mark.parametrize("kernel_size", [(1, 1), (3, 3), (2, 4), (5, 2)])
def test_a_plain_convolution_keeps_every_bit(kernel_size: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    x = random.standard_normal((9, 7, 3)).astype(np.float32)
    kernel = random.standard_normal((*kernel_size, 3, 4)).astype(np.float32)
    height, width = kernel_size
    above, left = (height - 1) // 2, (width - 1) // 2
    pads = ((above, height - 1 - above), (left, width - 1 - left), (0, 0))
    windows = sliding_window_view(np.pad(x.astype(np.float64), pads), (height, width), axis=(0, 1))
    y = np.einsum("HWChw,hwCF->HWF", windows, kernel.astype(np.float64), optimize=True)
    assert np.array_equal(conv(x, kernel, None), y)


def test_an_odd_zero_goes_after() -> None:
    assert slide(5, 2, stride=1, dilation=1, padding="SAME") == ((0, 1), 2, 5)
    assert slide(6, 3, stride=2, dilation=1, padding="SAME") == ((0, 1), 3, 3)
    assert slide(6, 1, stride=3, dilation=7, padding="SAME") == ((0, 0), 1, 2)
    assert slide(2, 3, stride=1, dilation=1, padding="VALID").steps == 0


def test_a_padding_of_another_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^padding is 'CIRCULAR'; expected SAME, VALID or pairs"):
        conv(np.ones((3, 3, 1)), np.ones((3, 3, 1, 1)), None, padding="CIRCULAR")
