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


def conv(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """Correlate an image with a kernel at stride 1, zero-padded to the same size ("SAME").

    Args:
        x: float[H, W, C].
        kernel: float[h, w, C, F]; for even h the extra row of padding lies below, as in XLA.
        bias: float[F].

    Returns:
        float64[H, W, F].
    """
    height, width = kernel.shape[:2]
    above, left = (height - 1) // 2, (width - 1) // 2
    padding = ((above, height - 1 - above), (left, width - 1 - left), (0, 0))
    padded = np.pad(x.astype(np.float64), padding)
    windows = sliding_window_view(padded, (height, width), axis=(0, 1))
    y = np.einsum("HWChw,hwCF->HWF", windows, kernel.astype(np.float64), optimize=True)
    return _shifted(y, bias)


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
