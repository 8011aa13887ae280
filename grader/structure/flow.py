"""Judge how a forward pass goes from layer to layer: pooling, the order of calls, the flag."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from grader.model import Observation, Pooling, Structure, Visit
from grader.structure.judgement import Judgement, cut_short
from grader.structure.layers import follows, own_visits
from grader.structure.reductions import explain, is_mean, without_batch
from grader.text import printable

WITHOUT_BATCH = "reduction_without_batch"
"""Evidence: what was done in place of the mean, told alike with a batch axis and without."""


def judge_pooling(pooling: Pooling, seen: Observation, flag: str) -> Judgement:
    """In both calls the target's input is the mean of the source's output over the axes."""
    judged = _pooling_in(seen.training, pooling, seen)
    if not judged.passed or seen.evaluation_error is not None:
        return judged
    evaluated = _pooling_in(seen.evaluation, pooling, seen)
    if evaluated.passed is not False:
        return judged
    evidence = dict(evaluated.evidence)
    if WITHOUT_BATCH in evidence:
        evidence[WITHOUT_BATCH] = f"With {flag}=True, {evidence[WITHOUT_BATCH]}"
    return Judgement(False, f"With {flag}=True, {evaluated.message}", evidence)


def _pooling_in(visits: Sequence[Visit], pooling: Pooling, seen: Observation) -> Judgement:
    """The same in one call, however the mean is written."""
    gave, took = _last(seen, visits, pooling.source), _last(seen, visits, pooling.target)
    missed = [n for n, v in ((pooling.source, gave), (pooling.target, took)) if v is None]
    if gave is None or took is None:
        if seen.error is not None:
            return cut_short(_not_called(missed), seen)
        return Judgement(None, f"Not judged: {_not_called(missed)}.")
    sources, target = seen.outputs(gave), seen.array(took.input)
    if not sources or target is None:
        where = f"{pooling.target} received" if sources else f"{pooling.source} returned"
        return Judgement(None, f"Not judged: no array was seen that {where}.")
    source, seen_as = _reduced(sources, target, pooling)
    facts: dict[str, Any] = {"from": list(source.shape), "to": list(target.shape)}
    facts["line"] = line_of(seen, pooling.target) or 0
    image = without_batch(source, 3)
    if image is None:
        text = f"{pooling.source} returned an array of shape {source.shape}; expected (H, W, C)."
        return Judgement(False, text, facts)
    axes = tuple(axis + source.ndim - 3 for axis in pooling.axes)  # as the student counts them
    if seen_as is None:
        text = f"{pooling.target} receives the mean of {pooling.source} over axes {axes}."
        return Judgement(True, text, facts)
    text = (
        f"{pooling.target} receives {seen_as}, of {pooling.source}'s output of shape "
        f"{source.shape}; expected the mean over height and width, axes {axes}."
    )
    other = explain(image, target) or f"something else, of shape {np.squeeze(target).shape}"
    return Judgement(False, text, facts | {"reduction": seen_as, WITHOUT_BATCH: other})


def _reduced(
    sources: Sequence[np.ndarray], target: np.ndarray, pooling: Pooling
) -> tuple[np.ndarray, str | None]:
    """Return which of a module's outputs was pooled, and what was done in place of the mean.

    A module may return other arrays beside its feature map: it is the one that explains the target.
    """
    maps = [(source, without_batch(source, 3)) for source in sources]
    images = [(source, image) for source, image in maps if image is not None]
    images = [one for one in images if not _is_reduced(one[1], images)]
    for source, image in images:
        if is_mean(image, target, pooling.axes):
            return source, None
    for source, _ in images:
        said = explain(source, target)
        if said is not None:
            return source, said
    source = images[0][0] if images else sources[0]
    return source, f"something else, of shape {target.shape}"


def _is_reduced(image: np.ndarray, images: Sequence[tuple[np.ndarray, np.ndarray]]) -> bool:
    """Whether an output is what pooling another one gives, and so no feature map itself.

    A block that returns its maximum beside its feature map would have the mean of one pixel.
    """
    larger = (source for source, other in images if other.size > image.size)
    return any(explain(source, image) is not None for source in larger)


def judge_calls(structure: Structure, seen: Observation) -> Judgement:
    """Each layer is an object of its own; the blocks are called once, everything in order."""
    paths = {layer.name: path_of(seen, layer.name) for layer in structure.layers}
    counts = {name: len(own_visits(seen, paths[name] or "?")) for name in structure.once}
    evidence: dict[str, Any] = {"calls": counts}
    missing = [name for name in structure.once if paths[name] is None]
    if missing:
        return Judgement(None, f"Not judged: there is no layer {' or '.join(missing)}.", evidence)
    twins = [n for n in structure.once if list(paths.values()).count(paths[n]) > 1]
    if twins:
        text = f"{' and '.join(twins)} are one and the same object; each needs its own."
        return Judgement(False, text, evidence)
    wrong = [f"{name} {count} times" for name, count in counts.items() if count > 1]
    absent = [name for name, count in counts.items() if count == 0]
    if seen.error is None:
        wrong += [f"{name} 0 times" for name in absent]
    if wrong:
        return Judgement(False, f"Called: {', '.join(wrong)}; expected once each.", evidence)
    wanted = [name for name, path in paths.items() if path is not None]
    by_path = {path: name for name, path in paths.items() if path is not None}
    order = [by_path[visit.path] for visit in seen.training if visit.path in by_path]
    if seen.error is not None and order == wanted[: len(order)] != wanted:
        return cut_short(_not_called(wanted[len(order) :]), seen)
    if order != wanted:
        text = f"Layers were called in the order {', '.join(order)}; expected {', '.join(wanted)}."
        return Judgement(False, text, evidence)
    return Judgement(True, f"Called in order, once each: {', '.join(order)}.", evidence)


def judge_flag(structure: Structure, seen: Observation) -> Judgement:
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
        missed = sorted(norms - called)
        if missed:
            verb = "was" if len(missed) == 1 else "were"
            return Judgement(False, f"With {given}, {', '.join(missed)} {verb} not called.")
    return Judgement(True, f"{flag} reaches all {len(norms)} BatchNorm layers.")


def _normalisations(structure: Structure, seen: Observation) -> set[str]:
    """Paths of the BatchNorm layers that belong to the model."""
    return {module.path for module in seen.modules if "BatchNorm" in module.kinds}


def _last(seen: Observation, visits: Sequence[Visit], name: str) -> Visit | None:
    """Return the last of these visits of a layer."""
    path = path_of(seen, name)
    return next((visit for visit in reversed(visits) if visit.path == path), None)


def _not_called(names: Sequence[str]) -> str:
    return f"{' and '.join(names)} {'was' if len(names) == 1 else 'were'} not called"


def path_of(seen: Observation, name: str) -> str | None:
    """Return the path of the module that an attribute of the root holds."""
    return next((a.path for a in seen.attributes if a.name == name), None)


def line_of(seen: Observation, name: str) -> int | None:
    """Return the line that called a layer last."""
    visit = _last(seen, seen.training, name)
    return None if visit is None else visit.line
