"""Check one layer: its class, its hyperparameters, and that its output follows from its weights."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from grader import formulas
from grader.model import Layer, Module, Observation, Visit
from grader.structure.convolution import MOST_PRODUCTS, MOST_WINDOWED, Sliding, read_sliding
from grader.structure.reductions import same, without_batch

_MOST_VISITS = 16
"""Calls of one layer that are recomputed; a right model makes one."""
_DEFAULTS: Mapping[str, Any] = {
    "strides": 1,
    "padding": "SAME",
    "input_dilation": 1,
    "kernel_dilation": 1,
    "feature_group_count": 1,
    "mask": None,
    "use_scale": True,
    "use_bias": True,
}
"""Flax's own settings. A layer is held to them where its exercise leaves them out: a BatchNorm
without a scale, for one, computes what a fresh one with a scale does."""

_NONE_IS_ONE = ("strides", "input_dilation", "kernel_dilation")
"""By Flax's own signature."""
OUTPUT_OF = "the output of"
_TOLERANCE = 1e-4
"""Of the largest element: the arrays are ordinary, so that only lies or other layers differ."""


def own_visits(seen: Observation, path: str) -> list[Visit]:
    """Visits of one module in the training call, in order."""
    return [visit for visit in seen.training if visit.path == path]


def inner_visits(seen: Observation, path: str) -> list[Visit]:
    """Visits of the Flax layers inside one module in its first call, in order.

    Without a call of its own, those that were called all the same.
    """
    starts = [index for index, visit in enumerate(seen.training) if visit.path == path]
    first_call = seen.training[: starts[1]] if len(starts) > 1 else seen.training
    inside = [visit for visit in first_call if visit.path.startswith(path + ".")]
    return [visit for visit in inside if _known_kind(seen.module(visit.path)) is not None]


def complaint(seen: Observation, path: str, layer: Layer) -> str | None:
    """Return what is wrong with the module at path, None when it is what the layer asks for.

    It begins with the path of a module, or with OUTPUT_OF. Where the call raised inside of the
    module, its layers up to there are judged.
    """
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
    reached = wanted[: len(kinds)] if _is_cut_short(seen, path) else wanted
    if kinds != reached:
        called = ", ".join(str(kind) for kind in kinds) or "no layer"
        return f"{path} calls {called}; expected {', '.join(wanted)}, in this order"
    if len({visit.path for visit in visits}) != len(visits):
        return f"{path} calls one layer twice; each of its layers must be an object of its own"
    for visit, inner in zip(visits, layer.layers, strict=False):
        found = _is_kind(seen, seen.module(visit.path), inner)
        if found is not None:
            return found
    return None


def _is_cut_short(seen: Observation, path: str) -> bool:
    """Whether the watched call raised, and nothing was seen that the module returned."""
    visits = own_visits(seen, path)
    return seen.error is not None and not (visits and seen.outputs(visits[-1]))


def _is_kind(seen: Observation, module: Module | None, layer: Layer) -> str | None:
    """Check a layer of Flax's own: its class, its settings, and the first of its calls."""
    assert module is not None
    if layer.kind not in module.kinds:
        name = module.types[0].rpartition(".")[2] if module.types else "nothing"
        return f"{module.path} is {name}; expected nnx.{layer.kind}"
    for name, wanted in layer.settings.items():
        given = module.settings.get(name)
        if given is None and name in _NONE_IS_ONE and name in module.settings:
            given = 1
        if not _equal_setting(given, wanted):
            return f"{module.path} has {name}={_show(given)}; expected {_show(wanted)}"
    for visit in own_visits(seen, module.path)[:_MOST_VISITS]:
        # By the flag it was given: a flag that is wrong has a finding of its own.
        running = visit.flag is True
        # By what is asked, not by what is claimed, so that no claim chooses what it is held to.
        own = {name: value for name, value in module.settings.items() if name == "epsilon"}
        if follows(seen, visit, running=running, settings={**layer.settings, **own}) is False:
            other = _other_setting(module, layer)
            if other is not None and follows(seen, visit, running=running) is not False:
                return other
            return f"{OUTPUT_OF} {module.path} does not follow from its own weights and input"
    return None


def _other_setting(module: Module, layer: Layer) -> str | None:
    """Say which setting that the layer leaves out is not Flax's own."""
    for name, usual in _DEFAULTS.items():
        given = module.settings.get(name)
        left_out = name not in layer.settings and given is not None
        if left_out and not _equal_setting(given, usual):
            return f"{module.path} has {name}={_show(given)}; expected {_show(usual)}"
    return None


def follows(
    seen: Observation,
    visit: Visit,
    *,
    running: bool,
    settings: Mapping[str, Any] | None = None,
) -> bool | None:
    """Whether a visit's output follows from its input and the module's reported arrays.

    Where a layer of the student's own kind returns several arrays, one of them must.

    Args:
        running: hold a BatchNorm to its running statistics, not to the batch's.
        settings: those to evaluate the layer with; the module's claimed ones by default.

    Returns:
        None when the module's kind is unknown, its settings are of a layer that is not recomputed,
        or an array is missing.
    """
    module = seen.module(visit.path)
    given, outputs = seen.array(visit.input), seen.outputs(visit)
    if module is None or given is None or not outputs:
        return None
    arrays = {name: seen.array(index) for name, index in module.arrays.items()}
    claimed = _Claimed(
        _known_kind(module),
        module.settings if settings is None else settings,
        {name: array for name, array in arrays.items() if array is not None},
        given,
    )
    try:
        sliding = read_sliding(claimed.settings) if claimed.kind == "Conv" else None
        if sliding is None and claimed.kind == "Conv":
            return None
        outputs = [output for output in outputs if _fits(claimed, output, sliding)]
        if not outputs:
            return False
        expected = _evaluate(claimed, sliding, running=running)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError):
        return False  # claims that do not fit together contradict each other
    if expected is None:
        return None
    largest = float(np.max(np.abs(expected), initial=0.0))
    scale = largest * _TOLERANCE / 1e-5 + 1e-6
    return any(same(output, expected, scale) for output in outputs)


class _Claimed(NamedTuple):
    """What is claimed of one call, its output aside."""

    kind: str | None
    settings: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]
    given: np.ndarray


def _fits(claimed: _Claimed, output: np.ndarray, sliding: Sliding | None) -> bool:
    """Whether the claimed shapes are those of one call, which bounds what recomputing it takes.

    Without it a column times a row, a few kilobytes of claims, would be gigabytes here.
    """
    shapes = {name: array.shape for name, array in claimed.arrays.items()}
    given, channels = claimed.given, claimed.given.shape[-1:]
    if claimed.kind == "BatchNorm":
        return all(s == channels for s in shapes.values()) and output.size == given.size
    kernel, bias = shapes.get("kernel"), shapes.get("bias")
    if claimed.kind not in ("Conv", "Linear") or kernel is None:
        return True
    if sliding is not None:
        return sliding.fits(given.shape, output.size, kernel, bias)
    return (
        len(kernel) == 2
        and kernel[:1] == channels
        and bias in (None, kernel[1:])
        and output.size * kernel[0] == given.size * kernel[1]
        and given.size <= MOST_WINDOWED
        and given.size * kernel[1] <= MOST_PRODUCTS
    )


def _evaluate(claimed: _Claimed, sliding: Sliding | None, *, running: bool) -> np.ndarray | None:
    given, arrays = claimed.given, claimed.arrays
    if claimed.kind == "BatchNorm":
        return _normalised(claimed, running=running)
    if claimed.kind == "Linear":
        return formulas.linear(given, arrays["kernel"], arrays.get("bias"))
    if sliding is None:
        return None
    kernel, image = arrays["kernel"], without_batch(given, 3)
    return None if image is None else sliding.evaluate(image, kernel, arrays.get("bias"))


def _normalised(claimed: _Claimed, *, running: bool) -> np.ndarray:
    given, arrays = claimed.given, claimed.arrays
    if "scale" not in arrays and claimed.settings.get("use_scale") is False:
        scale = np.ones(given.shape[-1:])
    else:
        scale = arrays["scale"]
    if "bias" not in arrays and claimed.settings.get("use_bias") is False:
        shift = np.zeros_like(scale)
    else:
        shift = arrays["bias"]
    epsilon = float(claimed.settings["epsilon"])
    if running:
        return formulas.normalise(given, arrays["mean"], arrays["var"], scale, shift, epsilon)
    return formulas.batch_norm(given, scale, shift, epsilon).output


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
        return math.isclose(given, wanted, rel_tol=1e-6)  # float32's 1e-5 is one
    return bool(given == wanted)


def _show(value: Any) -> str:
    return str(tuple(value)) if isinstance(value, list) else str(value)[:60]
