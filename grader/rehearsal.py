"""Say which generic layers a suite's shapes need, so that a template can compile them ahead.

Taken from watched calls of the reference, one a shape of the suite, and one a shape that failing
inputs are usually simplified to: the kinds of Flax layers, their settings and
the shapes of their inputs, each once, sorted. How the exercise puts them together is not among it;
the compile cache, which workers read as well, shows the same operations.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from grader.model import Case, Exercise, Observation, Suite
from grader.oracle import Oracle
from grader.suites import simpler_cases

Step = dict[str, Any]


def steps(exercise: Exercise, oracle: Oracle, cases: Sequence[Case]) -> list[Step]:
    """Return what is worth rehearsing for these cases and the watched call.

    Returns:
        kind, settings and input shape of each layer; nothing for an exercise without structure.

    Raises:
        OracleError: the reference could not be run.
    """
    if exercise.structure is None:
        return []
    solution = (exercise.folder / "solution.py").read_text(encoding="utf-8")
    simpler = simpler_cases(exercise, oracle, Suite("", tuple(cases)))
    by_shape = {exercise.shape(one): one for one in (Case(exercise.watched), *cases, *simpler)}
    found: dict[bytes, Step] = {}
    for case in by_shape.values():
        seen = oracle.observe(solution, case.arguments, exercise.structure)
        if seen is not None:
            for step in _layers(seen):
                found[msgspec.json.encode(step)] = step
    return [found[key] for key in sorted(found)]


def _layers(seen: Observation) -> list[Step]:
    """Return every call of a Flax layer whose input was seen."""
    kinds = {module.path: (module.kinds, module.settings) for module in seen.modules}
    calls: list[Step] = []
    for visit in seen.training:
        kind, settings = kinds.get(visit.path, ([], {}))
        given = seen.array(visit.input)
        if kind and given is not None:
            calls.append({"kind": kind[0], "settings": settings, "shape": list(given.shape)})
    return calls
