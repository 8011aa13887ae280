"""Show the settings of a layer as a report can hold them."""

import math

import jax
import numpy as np

_LONGEST = 8
"""Items of a setting that is a list, a kernel_size or a padding."""


def shown(value: object) -> object:
    """Return a value, or what is seen of it: of an array that it is one, of nan its name."""
    value = _without_numpy(value)
    if isinstance(value, (jax.Array, np.ndarray)):
        return "array"  # no weight, but a Conv's mask computes otherwise
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def _without_numpy(value: object, depth: int = 2) -> object:
    """Return NumPy's numbers as Python's, those of a kernel_size too; depth: of lists in lists."""
    if isinstance(value, (list, tuple)) and depth and len(value) <= _LONGEST:
        return [_without_numpy(item, depth - 1) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def is_plain(value: object, depth: int = 2) -> bool:
    """Whether JSON can hold a value and a report would want it; depth: of lists in lists."""
    if isinstance(value, (list, tuple)):
        fits = depth > 0 and len(value) <= _LONGEST
        return fits and all(is_plain(item, depth - 1) for item in value)
    return (
        value is None
        or _is_number(value)
        or (isinstance(value, str) and len(value) <= 80 and value.isprintable())
    )


def _is_number(value: object) -> bool:
    """Whether a value is a number, and one that JSON can hold: neither nan nor beyond a float."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and abs(value) < 1 << 63
