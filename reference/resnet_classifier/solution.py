"""Classify one image with a two-block residual network in Flax nnx: the reference."""

import jax
import jax.numpy as jnp
from flax import nnx

FEATURES = 4


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


class ResNetClassifier(nnx.Module):
    """Stem, two residual blocks, global average pooling, linear head."""

    def __init__(self, channels: int, num_classes: int, rngs: nnx.Rngs) -> None:
        self.stem_conv = nnx.Conv(channels, FEATURES, kernel_size=(3, 3), rngs=rngs)
        self.stem_bn = nnx.BatchNorm(FEATURES, rngs=rngs)
        self.block1 = BasicBlock(FEATURES, rngs)
        self.block2 = BasicBlock(FEATURES, rngs)
        self.head = nnx.Linear(FEATURES, num_classes, rngs=rngs)

    def __call__(self, image: jax.Array, use_running_average: bool) -> jax.Array:
        x = self.stem_conv(image)
        x = self.stem_bn(x, use_running_average=use_running_average)
        x = nnx.relu(x)
        x = self.block1(x, use_running_average)
        x = self.block2(x, use_running_average)
        pooled = jnp.mean(x, axis=(0, 1))
        return self.head(pooled)


def resnet_classifier_forward(seed: float, image: jax.Array, num_classes: float) -> jax.Array:
    """Return the logits, float32[num_classes], of a fresh network in training mode."""
    model = ResNetClassifier(image.shape[-1], int(num_classes), nnx.Rngs(int(seed)))
    logits = model(image, use_running_average=False)
    return logits.reshape(-1)
