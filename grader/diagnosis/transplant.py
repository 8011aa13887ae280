"""Put the reference's weights into a student's own model: is the forward pass right?"""

from collections.abc import Iterator

from grader.model import Layer, Observation, Structure, Weight
from grader.structure.layers import inner_visits
from grader.text import printable

_TRAINABLE = ("kernel", "bias", "scale")


def weights_for(
    structure: Structure, reference: Observation, seen: Observation
) -> list[Weight] | None:
    """Return the reference's weights with their places in the student's model.

    Layers of the root are paired by their names, layers of a block by their order of calls.

    Args:
        reference: the watched reference, with the weights to put.
        seen: the watched submission.

    Returns:
        None when some layer has no counterpart of its kind and shape.
    """
    weights: list[Weight] = []
    for layer in structure.layers:
        for theirs, mine in _pairs(layer, reference, seen):
            found = _weights(theirs, mine, reference, seen)
            if found is None:
                return None
            weights += found
    return weights or None


def first_other_weights(
    structure: Structure, reference: Observation, seen: Observation
) -> str | None:
    """Return the path of the first layer whose weights are not the reference's; None for none."""
    for layer in structure.layers:
        for theirs, mine in _pairs(layer, reference, seen):
            for weight in _weights(theirs, mine, reference, seen) or ():
                module = seen.module(mine or "")
                own = seen.array(module.arrays.get(weight.name)) if module else None
                if own is None or (own != weight.array).any():
                    return printable(mine or layer.name, limit=80)
    return None


def path_of(seen: Observation, name: str) -> str | None:
    """Return the path of the module that an attribute of the root holds."""
    return next((a.path for a in seen.attributes if a.name == name), None)


def _pairs(
    layer: Layer, reference: Observation, seen: Observation
) -> Iterator[tuple[str, str | None]]:
    """Yield the paths of the Flax layers of one layer: in the reference, in the student's model."""
    theirs, mine = path_of(reference, layer.name), path_of(seen, layer.name)
    assert theirs is not None
    if not layer.layers:
        yield theirs, mine
        return
    wanted = [visit.path for visit in inner_visits(reference, theirs)]
    found = [] if mine is None else [visit.path for visit in inner_visits(seen, mine)]
    for index, path in enumerate(wanted):
        yield path, found[index] if len(found) == len(wanted) else None


def _weights(
    theirs: str, mine: str | None, reference: Observation, seen: Observation
) -> list[Weight] | None:
    source, target = reference.module(theirs), seen.module(mine) if mine is not None else None
    if source is None or target is None or source.kinds[:1] != target.kinds[:1]:
        return None
    weights = []
    for name in _TRAINABLE:
        array = reference.array(source.arrays.get(name))
        if array is None:
            continue
        own = seen.array(target.arrays.get(name))
        if own is None or own.shape != array.shape:
            return None
        weights.append(Weight(target.path, name, array))
    return weights
