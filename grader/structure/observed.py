"""Judge what a watched call showed, line by line of the rubric."""

from collections.abc import Callable

import numpy as np

from grader.model import Layer, Observation, Structure
from grader.structure.flow import judge_calls, judge_flag, judge_pooling, line_of
from grader.structure.judgement import Judgement, cut_short
from grader.structure.layers import OUTPUT_OF, complaint, inner_visits, own_visits
from grader.structure.reductions import same
from grader.structure.static import Facts
from grader.text import printable, with_article


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
        checks["global_average_pooling"] = lambda: judge_pooling(pooling, seen, structure.flag)
    checks["blocks_called"] = lambda: judge_calls(structure, seen)
    checks["running_average_flag"] = lambda: judge_flag(structure, seen)
    with np.errstate(all="ignore"):  # claims may hold anything, infinities included
        judged["class"] = _judge_class(structure, facts, seen, unwatched)
        for name, check in checks.items():
            judged[name] = check() if _usable(seen) else _not_judged(structure)
    return judged


def _usable(seen: Observation) -> bool:
    return seen.called > 0 and bool(seen.modules)


def _not_judged(structure: Structure) -> Judgement:
    return Judgement(None, f"Not judged: no call of a {structure.root} could be watched.")


def _judge_class(
    structure: Structure, facts: Facts, seen: Observation, unwatched: np.ndarray | None
) -> Judgement:
    """The class exists, is an nnx.Module, is what the function runs, and has no further weights."""
    root, line = structure.root, facts.classes.get(structure.root)
    evidence = {"line": line, "created": seen.created, "called": seen.called}
    if line is None or not seen.found:
        return Judgement(False, _not_found(root, facts), evidence)
    if not seen.called:
        how = "is not an nnx.Module" if not seen.parameters else "was never called by the function"
        if seen.parameters and seen.error is not None:
            how = f"was not called before the function raised {printable(seen.error)}"
        return Judgement(False, f"{root} {how}; it must be an nnx.Module that computes.", evidence)
    broken = None if seen.error is not None else _broken_chain(root, seen, unwatched)
    if broken is not None:
        return Judgement(False, broken, evidence)
    extra = _further_weights(structure, seen)
    if extra:
        names = ", ".join(layer.name for layer in structure.layers)
        text = f"{root} has weights beyond its attributes {names}: {', '.join(extra)}."
        return Judgement(False, text, evidence)
    if seen.error is not None:
        said = printable(seen.error)
        return Judgement(True, f"{root} is an nnx.Module; the call raised {said}.", evidence)
    return Judgement(True, f"{root} is an nnx.Module and computes the result.", evidence)


def _not_found(root: str, facts: Facts) -> str:
    """Say why the file has no class of this name once it is imported."""
    line, within = facts.classes.get(root), facts.enclosed.get(root)
    if line is not None and within is not None:
        inside = printable(within, limit=60)
        return (
            f"The class {root} on line {line} is defined inside {inside}; "
            "define it at the top level of the file."
        )
    if line is not None:
        return f"The file has a class {root} on line {line}, but {root} is no class after import."
    names = ", ".join(printable(name, limit=40) for name in list(facts.classes)[:5]) or "none"
    return f"No class is called {root}; classes found: {names}."


def _broken_chain(root: str, seen: Observation, unwatched: np.ndarray | None) -> str | None:
    """Say where the chain from the root's output to the graded result breaks, if it does."""
    visits = own_visits(seen, "")
    outputs = seen.outputs(visits[-1]) if visits else []
    result = seen.array(seen.result)
    if result is None:
        return f"The function returns no array; it must return the one that {root} computes."
    if not any(same(one.ravel(), result.ravel()) for one in outputs):
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


def _judge_layer(layer: Layer, seen: Observation) -> Judgement:
    """An attribute of this name holds the right kind of layer, and behaves like it."""
    attribute = next((a for a in seen.attributes if a.name == layer.name), None)
    if attribute is None:
        names = ", ".join(printable(a.name, limit=40) for a in seen.attributes if a.path) or "none"
        text = f"There is no attribute {layer.name}; layers found: {names}."
        return Judgement(False, text, {"attributes": names})
    if attribute.path is None:
        kind = printable(attribute.type, limit=40)
        return Judgement(False, f"{layer.name} is {with_article(kind)} and not a layer.")
    twin = next((a for a in seen.attributes if a.path == attribute.path), attribute)
    if twin.name != layer.name:
        text = f"{layer.name} and {printable(twin.name, limit=40)} are one and the same object."
        return Judgement(False, text)
    visits = own_visits(seen, attribute.path)
    if not visits:
        if seen.error is not None:
            return cut_short(f"{layer.name} was not called", seen)
        if inner_visits(seen, attribute.path):
            text = f"Layers of {layer.name} are called, but {layer.name} itself is not: "
            return Judgement(False, f"{text}call {layer.name}(...), no other method of it.")
        return Judgement(False, f"{layer.name} exists but is never called.")
    wrong = complaint(seen, attribute.path, layer)
    if wrong is not None:
        text = f"{printable(wrong, limit=300)}."
        is_of_output = wrong.startswith(OUTPUT_OF)
        text = text[:1].upper() + text[1:] if is_of_output else f"Attribute {text}"
        return Judgement(False, text, {"line": line_of(seen, layer.name)})
    if seen.error is not None and not seen.outputs(visits[-1]):
        if len(inner_visits(seen, attribute.path)) < len(layer.layers):
            return cut_short(f"not all layers of {layer.name} were called", seen)
        said = printable(seen.error)
        return Judgement(True, f"{layer.name} is built right; the call raised {said}.")
    return Judgement(True, f"{layer.name} is right, and its output follows from its weights.")
