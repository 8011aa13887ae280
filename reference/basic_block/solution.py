"""Apply one residual block to a feature map in Flax nnx: the reference."""

import jax
from flax import nnx


class BasicBlock(nnx.Module):
    """Two 3x3 convolutions with batch normalisation around an identity shortcut."""

    def __init__(self, features: int, rngs: nnx.Rngs) -> None:
        self.conv1 = nnx.Conv(features, features, kernel_size=(3, 3), rngs=rngs)
        self.bn1 = nnx.BatchNorm(features, rngs=rngs)
        self.conv2 = nnx.Conv(features, features, kernel_size=(3, 3), rngs=rngs)
        self.bn2 = nnx.BatchNorm(features, rngs=rngs)

    def __call__(self, x: jax.Array, use_running_average: bool) -> jax.Array:
        y = self.conv1(x)
        y = self.bn1(y, use_running_average=use_running_average)
        y = nnx.relu(y)
        y = self.conv2(y)
        y = self.bn2(y, use_running_average=use_running_average)
        return nnx.relu(x + y)


def basic_block_forward(seed: float, x: jax.Array) -> jax.Array:
    """Return what a fresh block in training mode makes of x: float32[H, W, F], as x."""
    block = BasicBlock(features=x.shape[-1], rngs=nnx.Rngs(int(seed)))
    return block(x, use_running_average=False)
