"""Evaluate the reference's float32 parameters in float64, without Flax's arithmetic.

Runs inside the oracle only. The network is written out once more from its formulas, so that an
error in Flax or in solution.py shows as a gap that float32 rounding does not explain.
"""

from types import ModuleType
from typing import Any

import numpy as np

from grader.formulas import Normalised, batch_norm, conv, linear, relu
from grader.model import Exact


def evaluate(solution: ModuleType, seed: float, image: np.ndarray, num_classes: float) -> Exact:
    """Return the logits, float64[num_classes], their scale, worst condition and least spread.

    Args:
        solution: the loaded solution.py; it draws the parameters.
        image: float32[H, W, C].
    """
    rngs = solution.nnx.Rngs(int(seed))
    model = solution.ResNetClassifier(image.shape[-1], int(num_classes), rngs)
    norms: list[Normalised] = []

    def norm(layer: Any, x: np.ndarray) -> np.ndarray:
        result = batch_norm(x, _array(layer.scale), _array(layer.bias), layer.epsilon)
        norms.append(result)
        return result.output

    def convolve(layer: Any, x: np.ndarray) -> np.ndarray:
        return conv(x, _array(layer.kernel), _array(layer.bias))

    x = relu(norm(model.stem_bn, convolve(model.stem_conv, image)))
    for block in (model.block1, model.block2):
        y = relu(norm(block.bn1, convolve(block.conv1, x)))
        x = relu(x + norm(block.bn2, convolve(block.conv2, y)))
    pooled = x.mean(axis=(0, 1))
    kernel, bias = _array(model.head.kernel), _array(model.head.bias)
    scale = linear(np.abs(pooled), np.abs(kernel), np.abs(bias)).max()
    return Exact(
        linear(pooled, kernel, bias),
        scale=float(scale),
        condition=max(norm.condition for norm in norms),
        spread=min(norm.spread for norm in norms),
    )


def _array(variable: Any) -> np.ndarray:
    return np.asarray(variable[...])
