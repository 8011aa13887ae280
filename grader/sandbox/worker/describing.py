"""Describe a model: its submodules, their settings and weights, and what its root names."""

from typing import Any

import jax
import numpy as np
from flax import nnx

from .recorder import Recorder
from .settings import is_plain, shown
from .wire import LARGEST_LIST

_NO_WEIGHTS = (nnx.RngState, nnx.Intermediate)
"""Variables that no layer computes with; sown ones hold a tuple and no array."""


def describe(model: nnx.Module, recorder: Recorder, *, hidden: str) -> dict[str, Any]:
    """Return what an Observation says of a model's modules and of its attributes.

    Args:
        recorder: keeps the weights.
        hidden: what the names of attributes of ours begin with.
    """
    modules, paths = [], {}
    for path, module in submodules(model)[:LARGEST_LIST]:
        paths[id(module)] = path
        modules.append(_describe_module(path, module, recorder))
    attributes = [
        {"name": name, "type": type(value).__name__, "path": paths.get(id(value))}
        for name, value in vars(model).items()
        if not name.startswith(("_pytree__", "_object__", hidden))
    ]
    return {"modules": modules, "attributes": attributes[:LARGEST_LIST]}


def submodules(model: nnx.Module) -> list[tuple[str, nnx.Module]]:
    """Each distinct submodule with its dotted path; the root's is "". Shared ones appear once."""
    return [(".".join(map(str, path)), module) for path, module in nnx.iter_modules(model)]


def _describe_module(path: str, module: nnx.Module, recorder: Recorder) -> dict[str, Any]:
    arrays, settings = {}, {}
    for name, value in vars(module).items():
        if isinstance(value, nnx.Variable):
            index = recorder.keep(value.get_value()) if _is_weight(value) else None
            if index is not None:
                arrays[name] = index
        elif not name.startswith("_"):
            value = shown(value)
            if is_plain(value):
                settings[name] = value
    chain = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(module).__mro__]
    return {"path": path, "types": chain, "settings": settings, "arrays": arrays}


def _is_weight(variable: nnx.Variable[Any]) -> bool:
    """Whether a layer may compute with a variable; a counter of its calls is a whole number."""
    if isinstance(variable, _NO_WEIGHTS):
        return False
    dtype = getattr(variable.get_value(), "dtype", None)
    return dtype is None or bool(jax.dtypes.issubdtype(dtype, np.inexact))
