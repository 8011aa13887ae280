"""Evaluate layers in float64 NumPy, from their formulas: the truth that float32 code is held to.

Independent of Flax on purpose: Flax's layers are float32 code, one more noisy right answer.
"""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


class Normalised(NamedTuple):
    """A normalised array, how ill-conditioned it was, and how much of it was left.

    Attributes:
        output: float64, shape of the input.
        condition: max over features of E[x^2] / (Var[x] + epsilon); float32 code that forms
            Var[x] as E[x^2] - E[x]^2 loses this factor of its precision.
        spread: max over features of Var[x] / (Var[x] + epsilon); 0 where x is constant.
    """

    output: np.ndarray
    condition: float
    spread: float


class Sliding(NamedTuple):
    """How a window slides along one axis.

    Attributes:
        padding: zeros before and after.
        window: elements from the first to the last that it covers, holes of a dilation included.
        steps: positions that it takes; 0 when it is longer than the padded axis.
    """

    padding: tuple[int, int]
    window: int
    steps: int


def slide(
    size: int, length: int, *, stride: int, dilation: int, padding: str | tuple[int, int]
) -> Sliding:
    """Place a kernel of some length along an axis of some size.

    Args:
        padding: "SAME": ceil(size / stride) steps, an odd zero goes after; "VALID": none; or the
            zeros before and after.

    Raises:
        ValueError: the padding has another name.

    Source: SAME as XLA has it, see padtype_to_pads of jax.lax.
    """
    window = (length - 1) * dilation + 1
    if padding == "SAME":
        total = max((-(-size // stride) - 1) * stride + window - size, 0)
        padding = (total // 2, total - total // 2)
    elif padding == "VALID":
        padding = (0, 0)
    if isinstance(padding, str):
        raise ValueError(f"padding is {padding!r}; expected SAME, VALID or pairs of numbers")
    return Sliding(padding, window, max((size + sum(padding) - window) // stride + 1, 0))


def conv(
    x: np.ndarray,
    kernel: np.ndarray,
    bias: np.ndarray | None,
    *,
    strides: tuple[int, int] = (1, 1),
    padding: str | tuple[tuple[int, int], tuple[int, int]] = "SAME",
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> np.ndarray:
    """Correlate an image with a kernel; without further settings the result has its size.

    Args:
        x: float[H, W, C].
        kernel: float[h, w, C / groups, F]; for even h the extra row of padding lies below, as in
            XLA.
        bias: float[F].
        strides: steps of the kernel along height and width.
        padding: "SAME", "VALID", or zeros (before, after) along height and width; see `slide`.
        dilation: distance of the kernel's neighbours along height and width.
        groups: the first F / groups outputs see the first C / groups inputs alone, and so on.

    Returns:
        float64[H', W', F], with the steps of `slide` along each axis.

    Raises:
        ValueError: the kernel is larger than the padded image, or groups do not divide C and F.
    """
    along = [
        slide(
            x.shape[axis],
            kernel.shape[axis],
            stride=strides[axis],
            dilation=dilation[axis],
            padding=padding if isinstance(padding, str) else padding[axis],
        )
        for axis in (0, 1)
    ]
    padded = np.pad(x.astype(np.float64), (along[0].padding, along[1].padding, (0, 0)))
    windows = sliding_window_view(padded, (along[0].window, along[1].window), axis=(0, 1))
    windows = windows[:: strides[0], :: strides[1], :, :: dilation[0], :: dilation[1]]
    return _shifted(_correlated(windows, kernel.astype(np.float64), groups), bias)


def _correlated(windows: np.ndarray, kernel: np.ndarray, groups: int) -> np.ndarray:
    """Sum windows float64[H, W, C, h, w] times a kernel; one group is the usual case, and BLAS."""
    if groups == 1:
        y: np.ndarray = np.einsum("HWChw,hwCF->HWF", windows, kernel, optimize=True)
        return y
    rows, columns, channels, *window = windows.shape
    split = windows.reshape(rows, columns, groups, channels // groups, *window)
    parts = kernel.reshape(*kernel.shape[:3], groups, kernel.shape[3] // groups)
    grouped: np.ndarray = np.einsum("HWGChw,hwCGF->HWGF", split, parts)
    return grouped.reshape(rows, columns, kernel.shape[3])


def batch_norm(x: np.ndarray, scale: np.ndarray, bias: np.ndarray, epsilon: float) -> Normalised:
    """Normalise every feature (last axis) by its own mean and biased variance.

    Source: Ioffe and Szegedy, Batch Normalization, 2015, algorithm 1.
    """
    x = x.astype(np.float64)
    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axes), x.var(axes)
    condition = float(np.max((mean**2 + variance) / (variance + epsilon)))
    spread = float(np.max(variance / (variance + epsilon)))
    return Normalised(normalise(x, mean, variance, scale, bias, epsilon), condition, spread)


def normalise(
    x: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    scale: np.ndarray,
    bias: np.ndarray,
    epsilon: float,
) -> np.ndarray:
    """Subtract the mean, divide by sqrt(variance + epsilon), scale, shift: float64, shape of x."""
    factor = scale.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
    return _shifted((x.astype(np.float64) - mean) * factor, bias)


def linear(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """Multiply by a kernel float[features, outputs] and add the bias: float64."""
    y = x.astype(np.float64) @ kernel.astype(np.float64)
    return _shifted(y, bias)


def relu(x: np.ndarray) -> np.ndarray:
    """Replace negative elements by zero."""
    rectified: np.ndarray = np.maximum(x, 0.0)
    return rectified


def _shifted(y: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    shifted: np.ndarray = y if bias is None else y + bias
    return shifted
