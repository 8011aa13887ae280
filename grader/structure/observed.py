"""Judge what a watched call showed, line by line of the rubric."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from grader.model import Layer, Observation, Pooling, Structure, Visit
from grader.structure.judgement import Judgement
from grader.structure.layers import complaint, follows, own_visits
from grader.structure.reductions import explain, is_mean, same, without_batch
from grader.structure.static import Facts
from grader.text import printable


def judge_structure(
    structure: Structure, facts: Facts, seen: Observation, unwatched: np.ndarray | None
) -> dict[str, Judgement]:
    """Judge every structural criterion.

    Args:
        facts: from the submission's text.
        seen: from the watched call: claims.
        unwatched: what an unwatched call returned for the same arguments; the watched call must
            have been the same computation. None when there is none.

    Returns:
        Criterion id to judgement: "class", one per layer, "global_average_pooling",
        "blocks_called" and the flag's.
    """
    judged: dict[str, Judgement] = {}
    checks: dict[str, Callable[[], Judgement]] = {
        layer.name: lambda layer=layer: _judge_layer(layer, seen)  # type: ignore[misc]
        for layer in structure.layers
    }
    if structure.pooling is not None:
        pooling = structure.pooling
        checks["global_average_pooling"] = lambda: _judge_pooling(pooling, seen, structure.flag)
    checks["blocks_called"] = lambda: _judge_calls(structure, seen)
    checks["running_average_flag"] = lambda: _judge_flag(structure, seen)
    with np.errstate(all="ignore"):  # claims may hold anything, infinities included
        judged["class"] = _judge_class(structure, facts, seen, unwatched)
        for name, check in checks.items():
            judged[name] = check() if _usable(seen) else _not_judged(structure)
    return judged


def _usable(seen: Observation) -> bool:
    return seen.found and seen.called > 0 and bool(seen.modules)


def _not_judged(structure: Structure) -> Judgement:
    return Judgement(None, f"Not judged: no call of a {structure.root} could be watched.")


def _judge_class(
    structure: Structure, facts: Facts, seen: Observation, unwatched: np.ndarray | None
) -> Judgement:
    """The class exists, is an nnx.Module, is what the function runs, and has no further weights."""
    root, line = structure.root, facts.classes.get(structure.root)
    evidence = {"line": line, "created": seen.created, "called": seen.called}
    if line is None or not seen.found:
        names = ", ".join(printable(name, limit=40) for name in list(facts.classes)[:5]) or "none"
        return Judgement(False, f"No class is called {root}; classes found: {names}.", evidence)
    if not seen.called:
        how = "is not an nnx.Module" if not seen.parameters else "was never called by the function"
        return Judgement(False, f"{root} {how}; it must be an nnx.Module that computes.", evidence)
    broken = None if seen.error is not None else _broken_chain(root, seen, unwatched)
    if broken is not None:
        return Judgement(False, broken, evidence)
    extra = _further_weights(structure, seen)
    if extra:
        names = ", ".join(layer.name for layer in structure.layers)
        text = f"{root} has weights beyond its attributes {names}: {', '.join(extra)}."
        return Judgement(False, text, evidence)
    return Judgement(True, f"{root} is an nnx.Module and computes the result.", evidence)


def _broken_chain(root: str, seen: Observation, unwatched: np.ndarray | None) -> str | None:
    """Say where the chain from the root's output to the graded result breaks, if it does."""
    visits = own_visits(seen, "")
    output = seen.array(visits[-1].output) if visits else None
    result = seen.array(seen.result)
    if output is None or result is None or not same(output.ravel(), result.ravel()):
        return f"The function does not return what {root} computes; it must return its result."
    if unwatched is None or not same(result, unwatched):
        return f"While {root} was watched the function returned another result than unwatched."
    return None


def _further_weights(structure: Structure, seen: Observation) -> list[str]:
    """Modules with arrays of their own that belong to no expected attribute."""
    wanted = {layer.name for layer in structure.layers}
    named = {a.path for a in seen.attributes if a.name in wanted and a.path is not None}
    return [
        printable(module.path or "an array of its own", limit=60)
        for module in seen.modules
        if module.arrays and not any(_within(module.path, path) for path in named)
    ][:5]


def _within(path: str, outer: str) -> bool:
    return path == outer or path.startswith(outer + ".")


def _path_of(seen: Observation, name: str) -> str | None:
    return next((a.path for a in seen.attributes if a.name == name), None)


def _judge_layer(layer: Layer, seen: Observation) -> Judgement:
    """An attribute of this name holds the right kind of layer, and behaves like it."""
    attribute = next((a for a in seen.attributes if a.name == layer.name), None)
    if attribute is None:
        names = ", ".join(printable(a.name, limit=40) for a in seen.attributes if a.path) or "none"
        text = f"There is no attribute {layer.name}; layers found: {names}."
        return Judgement(False, text, {"attributes": names})
    if attribute.path is None:
        kind = printable(attribute.type, limit=40)
        return Judgement(False, f"{layer.name} is a {kind} and not a layer.")
    twin = next((a for a in seen.attributes if a.path == attribute.path), attribute)
    if twin.name != layer.name:
        text = f"{layer.name} and {printable(twin.name, limit=40)} are one and the same object."
        return Judgement(False, text)
    if not own_visits(seen, attribute.path):
        return Judgement(False, f"{layer.name} exists but is never called.")
    wrong = complaint(seen, attribute.path, layer)
    if wrong is not None:
        text = f"Attribute {printable(wrong, limit=300)}."
        return Judgement(False, text, {"line": _line(seen, layer.name)})
    return Judgement(True, f"{layer.name} is right, and its output follows from its weights.")


def _judge_pooling(pooling: Pooling, seen: Observation, flag: str) -> Judgement:
    """In both calls the target's input is the mean of the source's output over the axes."""
    judged = _pooling_in(seen.training, pooling, seen)
    if not judged.passed or seen.evaluation_error is not None:
        return judged
    evaluated = _pooling_in(seen.evaluation, pooling, seen)
    if evaluated.passed is not False:
        return judged
    return Judgement(False, f"With {flag}=True, {evaluated.message}", evaluated.evidence)


def _pooling_in(visits: Sequence[Visit], pooling: Pooling, seen: Observation) -> Judgement:
    """The same in one call, however the mean is written."""
    source = _array_of(seen, visits, pooling.source, "output")
    target = _array_of(seen, visits, pooling.target, "input")
    if source is None or target is None:
        text = f"Not judged: {pooling.source} or {pooling.target} was not called."
        return Judgement(None, text)
    feature_map = without_batch(source, 3)
    facts: dict[str, Any] = {"from": list(source.shape), "to": list(target.shape)}
    facts["line"] = _line(seen, pooling.target) or 0
    if feature_map is None:
        text = f"{pooling.source} returned an array of shape {source.shape}; expected (H, W, C)."
        return Judgement(False, text, facts)
    if is_mean(feature_map, target, pooling.axes):
        text = f"{pooling.target} receives the mean of {pooling.source} over axes {pooling.axes}."
        return Judgement(True, text, facts)
    seen_as = explain(feature_map, target) or f"something else, of shape {target.shape}"
    text = (
        f"{pooling.target} receives {seen_as}, of {pooling.source}'s output of shape "
        f"{feature_map.shape}; expected the mean over height and width, axes {pooling.axes}."
    )
    return Judgement(False, text, facts | {"reduction": seen_as})


def _judge_calls(structure: Structure, seen: Observation) -> Judgement:
    """Each layer is an object of its own; the blocks are called once, everything in order."""
    paths = {layer.name: _path_of(seen, layer.name) for layer in structure.layers}
    counts = {name: len(own_visits(seen, paths[name] or "?")) for name in structure.once}
    evidence: dict[str, Any] = {"calls": counts}
    missing = [name for name in structure.once if paths[name] is None]
    if missing:
        return Judgement(None, f"Not judged: there is no layer {' or '.join(missing)}.", evidence)
    twins = [n for n in structure.once if list(paths.values()).count(paths[n]) > 1]
    if twins:
        text = f"{' and '.join(twins)} are one and the same object; each needs its own."
        return Judgement(False, text, evidence)
    wrong = [f"{name} {count} times" for name, count in counts.items() if count != 1]
    if wrong:
        return Judgement(False, f"Called: {', '.join(wrong)}; expected once each.", evidence)
    wanted = [name for name, path in paths.items() if path is not None]
    by_path = {path: name for name, path in paths.items() if path is not None}
    order = [by_path[visit.path] for visit in seen.training if visit.path in by_path]
    if order != wanted:
        text = f"Layers were called in the order {', '.join(order)}; expected {', '.join(wanted)}."
        return Judgement(False, text, evidence)
    return Judgement(True, f"Called in order, once each: {', '.join(order)}.", evidence)


def _judge_flag(structure: Structure, seen: Observation) -> Judgement:
    """Training uses batch statistics everywhere; the flag switches all to running statistics."""
    flag = structure.flag
    if flag not in seen.parameters:
        text = f"{structure.root}.__call__ has no parameter {flag}."
        return Judgement(False, text, {"parameters": [printable(p) for p in seen.parameters[:8]]})
    if seen.error is not None:
        return Judgement(None, f"Not judged: the call raised {printable(seen.error, limit=200)}.")
    if seen.evaluation_error is not None:
        said = printable(seen.evaluation_error, limit=200)
        return Judgement(False, f"Calling the model with {flag}=True raised {said}.")
    norms = _normalisations(structure, seen)
    if not norms:
        return Judgement(None, "Not judged: no BatchNorm was called.")
    for visits, running, given in (
        (seen.training, False, f"{flag}=False"),
        (seen.evaluation, True, f"{flag}=True"),
    ):
        wanted = "running statistics" if running else "the statistics of the batch"
        called = {visit.path for visit in visits}
        for visit in visits:
            if visit.path not in norms:
                continue
            if follows(seen, visit, running=running) is not True:  # whatever it was told
                text = f"With {given}, {printable(visit.path)} does not use {wanted}"
                told = "" if visit.flag is running else f": it was told {flag}={visit.flag}"
                return Judgement(False, f"{text}{told}.", {"line": visit.line})
        if norms - called:
            text = f"With {given}, {', '.join(sorted(norms - called))} was not called."
            return Judgement(False, text)
    return Judgement(True, f"{flag} reaches all {len(norms)} BatchNorm layers.")


def _normalisations(structure: Structure, seen: Observation) -> set[str]:
    """Paths of the BatchNorm layers that belong to the model."""
    return {module.path for module in seen.modules if "BatchNorm" in module.kinds}


def _array_of(
    seen: Observation, visits: Sequence[Visit], name: str, side: str
) -> np.ndarray | None:
    """Return what the last of these visits of a layer took or gave."""
    path = _path_of(seen, name)
    own = [visit for visit in visits if visit.path == path]
    return seen.array(getattr(own[-1], side)) if own else None


def _line(seen: Observation, name: str) -> int | None:
    path = _path_of(seen, name)
    visits = own_visits(seen, path) if path is not None else []
    return visits[-1].line if visits else None
