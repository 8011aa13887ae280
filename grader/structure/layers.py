"""Check one layer: its class, its hyperparameters, and that its output follows from its weights."""

import math
from typing import Any

import numpy as np

from grader import formulas
from grader.model import Layer, Module, Observation, Visit
from grader.structure.reductions import same, without_batch

_MOST_VISITS = 16
"""Calls of one layer that are recomputed; a right model makes one."""
_MOST_WINDOWED, _MOST_PRODUCTS = 1 << 23, 1 << 28
"""Numbers in all windows of a convolution, and products to be summed: seven and five times what
arrays of a worker's 512 KiB can need, with a window of 3x3."""

_TOLERANCE = 1e-4
"""Of the largest element: the arrays are ordinary, so that only lies or other layers differ."""


def own_visits(seen: Observation, path: str) -> list[Visit]:
    """Visits of one module in the training call, in order."""
    return [visit for visit in seen.training if visit.path == path]


def inner_visits(seen: Observation, path: str) -> list[Visit]:
    """Visits of the Flax layers inside one module, in order."""
    inside = [visit for visit in seen.training if visit.path.startswith(path + ".")]
    return [visit for visit in inside if _known_kind(seen.module(visit.path)) is not None]


def complaint(seen: Observation, path: str, layer: Layer) -> str | None:
    """Return what is wrong with the module at path, None when it is what the layer asks for."""
    module = seen.module(path)
    if module is None:
        return f"{path} is not a layer"
    if layer.layers:
        return _made_of(seen, path, layer)
    return _is_kind(seen, module, layer)


def _made_of(seen: Observation, path: str, layer: Layer) -> str | None:
    """Check a module of the student's own: its layers, by kind and order, whatever their names."""
    module = seen.module(path)
    assert module is not None
    if _known_kind(module) is not None:
        return f"{path} is a single {_known_kind(module)} and not a block of your own"
    visits = inner_visits(seen, path)
    kinds = [_known_kind(seen.module(visit.path)) for visit in visits]
    wanted = [inner.kind for inner in layer.layers]
    if kinds != wanted:
        called = ", ".join(str(kind) for kind in kinds) or "no layer"
        return f"{path} calls {called}; expected {', '.join(wanted)}, in this order"
    if len({visit.path for visit in visits}) != len(visits):
        return f"{path} calls one layer twice; each of its layers must be an object of its own"
    for visit, inner in zip(visits, layer.layers, strict=True):
        found = _is_kind(seen, seen.module(visit.path), inner)
        if found is not None:
            return found
    return None


def _is_kind(seen: Observation, module: Module | None, layer: Layer) -> str | None:
    """Check a layer of Flax's own: its class, its settings, and the first of its calls."""
    assert module is not None
    if layer.kind not in module.kinds:
        name = module.types[0].rpartition(".")[2] if module.types else "nothing"
        return f"{module.path} is {name}; expected nnx.{layer.kind}"
    for name, wanted in layer.settings.items():
        given = module.settings.get(name)
        if not _equal_setting(given, wanted):
            return f"{module.path} has {name}={_show(given)}; expected {_show(wanted)}"
    for visit in own_visits(seen, module.path)[:_MOST_VISITS]:
        # By the flag it was given: a flag that is wrong has a finding of its own.
        if follows(seen, visit, running=visit.flag is True) is False:
            return f"the output of {module.path} does not follow from its own weights and input"
    return None


def follows(seen: Observation, visit: Visit, *, running: bool) -> bool | None:
    """Whether a visit's output follows from its input and the module's reported arrays.

    Args:
        running: hold a BatchNorm to its running statistics, not to the batch's.

    Returns:
        None when the module's kind is unknown or an array is missing.
    """
    module = seen.module(visit.path)
    given, output = seen.array(visit.input), seen.array(visit.output)
    if module is None or given is None or output is None:
        return None
    try:
        if not _fits(seen, module, given, output):
            return False
        expected = _evaluate(seen, module, given, running)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError):
        return False  # claims that do not fit together contradict each other
    if expected is None:
        return None
    largest = float(np.max(np.abs(expected), initial=0.0))
    return same(output, expected, largest * _TOLERANCE / 1e-5 + 1e-6)


def _fits(seen: Observation, module: Module, given: np.ndarray, output: np.ndarray) -> bool:
    """Whether the claimed shapes are those of one call, which bounds what recomputing it takes.

    Without it a column times a row, a few kilobytes of claims, would be gigabytes here.
    """
    shapes = {
        name: array.shape
        for name, index in module.arrays.items()
        if (array := seen.array(index)) is not None
    }
    kind, channels = _known_kind(module), given.shape[-1:]
    if kind == "BatchNorm":
        return all(s == channels for s in shapes.values()) and output.size == given.size
    kernel = shapes.get("kernel")
    if kind not in ("Conv", "Linear") or kernel is None:
        return True
    window, features = kernel[:-2], kernel[-1:]
    windowed = given.size * math.prod(window)
    return (
        len(window) == (2 if kind == "Conv" else 0)
        and kernel[-2:-1] == channels
        and shapes.get("bias", features) == features
        and output.size * channels[0] == given.size * features[0]
        and windowed <= _MOST_WINDOWED
        and windowed * features[0] <= _MOST_PRODUCTS
    )


def _evaluate(
    seen: Observation, module: Module, given: np.ndarray, running: bool
) -> np.ndarray | None:
    arrays = {name: seen.array(index) for name, index in module.arrays.items()}
    kind = _known_kind(module)
    bias = arrays.get("bias")
    if kind == "BatchNorm":
        scale = _required(arrays, "scale")
        shift = np.zeros_like(scale) if bias is None else bias
        epsilon = float(module.settings["epsilon"])
        if running:
            mean, variance = _required(arrays, "mean"), _required(arrays, "var")
            return formulas.normalise(given, mean, variance, scale, shift, epsilon)
        return formulas.batch_norm(given, scale, shift, epsilon).output
    kernel = _required(arrays, "kernel") if kind in ("Conv", "Linear") else None
    if kind == "Linear" and kernel is not None:
        return formulas.linear(given, kernel, bias)
    image = without_batch(given, 3)
    if kind == "Conv" and kernel is not None and image is not None:
        return formulas.conv(image, kernel, bias)
    return None


def _required(arrays: dict[str, np.ndarray | None], name: str) -> np.ndarray:
    array = arrays[name]
    if array is None:
        raise KeyError(name)
    return array


def _known_kind(module: Module | None) -> str | None:
    """The Flax layer class that a module is, None for a module of the student's own."""
    return next(iter(module.kinds), None) if module is not None else None


def _equal_setting(given: Any, wanted: Any) -> bool:
    """Compare hyperparameters; 1, (1,) and (1, 1) are the same stride."""
    if isinstance(wanted, list):
        return isinstance(given, (list, tuple)) and list(given) == wanted
    if isinstance(given, (list, tuple)):
        return bool(given) and all(_equal_number(item, wanted) for item in given)
    return _equal_number(given, wanted)


def _equal_number(given: Any, wanted: Any) -> bool:
    if isinstance(wanted, float) and isinstance(given, float):
        return math.isclose(given, wanted, rel_tol=1e-9)
    return bool(given == wanted)


def _show(value: Any) -> str:
    return str(tuple(value)) if isinstance(value, list) else str(value)[:60]
