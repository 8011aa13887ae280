"""Evaluate the reference's float32 parameters in float64, without Flax's arithmetic.

Runs inside the oracle only. The block is written out once more from its formulas, so that an error
in Flax or in solution.py shows as a gap that float32 rounding does not explain.
"""

from types import ModuleType
from typing import Any

import numpy as np

from grader.formulas import batch_norm, conv, relu
from grader.model import Exact


def evaluate(solution: ModuleType, seed: float, x: np.ndarray) -> Exact:
    """Return the output, float64[H, W, F], its scale, worst condition and least spread.

    Args:
        solution: the loaded solution.py; it draws the parameters.
        x: float32[H, W, F].
    """
    block = solution.BasicBlock(x.shape[-1], solution.nnx.Rngs(int(seed)))
    first = batch_norm(
        conv(x, _array(block.conv1.kernel), _array(block.conv1.bias)),
        _array(block.bn1.scale),
        _array(block.bn1.bias),
        block.bn1.epsilon,
    )
    bias = _array(block.bn2.bias)
    second = batch_norm(
        conv(relu(first.output), _array(block.conv2.kernel), _array(block.conv2.bias)),
        _array(block.bn2.scale),
        bias,
        block.bn2.epsilon,
    )
    # The three terms of an output element: the shortcut, the normalised branch, its bias.
    terms = np.abs(x) + np.abs(second.output - bias) + np.abs(bias)
    return Exact(
        relu(x + second.output),
        scale=float(terms.max()),
        condition=max(first.condition, second.condition),
        spread=min(first.spread, second.spread),
    )


def _array(variable: Any) -> np.ndarray:
    return np.asarray(variable[...])
