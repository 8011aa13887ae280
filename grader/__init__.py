"""Grade coding exercises in JAX and Flax nnx behind a wall."""

__version__ = "0.1.0"
