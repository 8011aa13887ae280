"""Compare the stages of a forward pass with the reference's, and find the first that differs."""

from collections.abc import Iterator, Sequence

import numpy as np

from grader.diagnosis.transplant import path_of
from grader.explain import number
from grader.model import Layer, Observation, Stage, Structure, Visit
from grader.model.report import Number
from grader.structure.layers import inner_visits, own_visits
from grader.structure.reductions import without_batch
from grader.text import printable

_MOST_NUMBERS = 1024
"""Of one stage that the report holds."""


def trace(
    structure: Structure, reference: Observation, seen: Observation, relative: float
) -> list[Stage]:
    """Return the stages in the order of the reference's calls.

    A stage is a layer's output, or what a layer is given where that is not the output before it.
    Inside the first block that differs its own layers are stages too, in the order of their calls.

    Args:
        reference, seen: both watched on the same arguments.
        relative: difference that rounding explains, of the stage's largest element.
    """
    stages: list[Stage] = []
    before: np.ndarray | None = None
    for layer in structure.layers:
        theirs, mine = _visit(reference, layer.name), _visit(seen, layer.name)
        if theirs is None:
            continue
        given = reference.array(theirs.input)
        if before is not None and given is not None and not _is_same(before, given, 0.0):
            own = None if mine is None else seen.array(mine.input)
            stages.append(
                _stage(layer.given or f"what {layer.name} is given", given, own, relative)
            )
        before = reference.array(theirs.output)
        if before is None:
            continue
        own = None if mine is None else _output(seen, mine, before, relative)
        stage = _stage(layer.name, before, own, relative)
        if stage.agrees is False and all(one.agrees is not False for one in stages):
            stages += _inside(layer, reference, seen, relative)
        stages.append(stage)
    return stages


def first_difference(stages: Sequence[Stage]) -> tuple[str | None, list[str]]:
    """Return the first stage that does not agree, and those before it that do."""
    before: list[str] = []
    for stage in stages:
        if stage.agrees is False:
            return stage.name, before
        if stage.agrees:
            before.append(stage.name)
    return None, before


def _inside(
    layer: Layer, reference: Observation, seen: Observation, relative: float
) -> Iterator[Stage]:
    """Yield a block's own layers up to the first that differs, under the student's names."""
    theirs, mine = path_of(reference, layer.name), path_of(seen, layer.name)
    if not layer.layers or theirs is None or mine is None:
        return
    pairs = zip(inner_visits(reference, theirs), inner_visits(seen, mine), strict=False)
    for expected, actual in pairs:
        array = reference.array(expected.output)
        if array is None:
            return
        stage = _stage(actual.path, array, _output(seen, actual, array, relative), relative)
        yield stage
        if not stage.agrees:
            return


def _visit(seen: Observation, name: str) -> Visit | None:
    path = path_of(seen, name)
    visits = own_visits(seen, path) if path is not None else []
    return visits[0] if visits else None


def _output(
    seen: Observation, visit: Visit, expected: np.ndarray, relative: float
) -> np.ndarray | None:
    """Return what a call gave; of several arrays the one that is most like what is expected."""
    arrays = seen.outputs(visit)
    shown = [(array, _shown(array, expected.ndim)) for array in arrays]
    agreeing = (array for array, one in shown if _is_same(expected, one, relative))
    alike = (array for array, one in shown if one.shape == expected.shape)
    return next(agreeing, next(alike, next(iter(arrays), None)))


def _shown(array: np.ndarray, rank: int) -> np.ndarray:
    """Return an array without its batch axis, where that leaves it the rank."""
    bare = without_batch(array, rank)
    return array if bare is None else bare


def _stage(name: str, expected: np.ndarray, actual: np.ndarray | None, relative: float) -> Stage:
    shown = None if actual is None else _shown(actual, expected.ndim)
    agrees = None if shown is None else _is_same(expected, shown, relative)
    return Stage(
        name=printable(name, limit=80),  # of a layer that the student named
        agrees=agrees,
        expected_shape=list(expected.shape),
        actual_shape=None if shown is None else list(shown.shape),
        expected=_numbers(expected),
        actual=None if shown is None else _numbers(shown),
        note="" if shown is not None else "the submission has no such stage",
    )


def _is_same(expected: np.ndarray, actual: np.ndarray, relative: float) -> bool:
    if expected.shape != actual.shape:
        return False
    wide, other = expected.astype(np.float64), actual.astype(np.float64)
    if not np.isfinite(other).all():
        return False
    largest = float(np.max(np.abs(wide), initial=0.0))
    with np.errstate(over="ignore"):  # claims may hold anything finite
        return bool(np.max(np.abs(wide - other), initial=0.0) <= relative * largest)


def _numbers(array: np.ndarray) -> list[Number] | None:
    if array.size > _MOST_NUMBERS or array.dtype.kind not in "fiub":
        return None
    return [number(float(value)) for value in array.ravel()]
