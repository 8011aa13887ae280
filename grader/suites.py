"""Keep generated suites on disk: Hypothesis is loaded only when a suite is new or must shrink."""

import msgspec
import numpy as np

from grader.model import Case, Exercise, Suite, Value
from grader.oracle import Oracle


class _Array(msgspec.Struct, array_like=True):
    shape: list[int]
    float32: bytes


class _Case(msgspec.Struct, array_like=True):
    family: str
    arguments: dict[str, float | _Array]


def recall_or_generate(exercise: Exercise, oracle: Oracle, seed: str, count: int) -> Suite:
    """Return the suite of a seed and a number of cases; the same ones each time."""
    key = f"suite {seed} {count}"
    stored = oracle.store.recall(key)
    if stored is not None:
        rows = msgspec.msgpack.decode(stored, type=list[_Case])
        return Suite(seed, tuple(_thaw(row) for row in rows))
    from grader import cases

    suite = cases.generate(exercise, seed, count)
    oracle.store.keep(key, msgspec.msgpack.encode([_freeze(case) for case in suite.cases]))
    return suite


def _freeze(case: Case) -> _Case:
    arguments = {
        name: value
        if isinstance(value, float)
        else _Array(list(value.shape), value.astype("<f4").tobytes())
        for name, value in case.arguments.items()
    }
    return _Case(case.family, arguments)


def _thaw(row: _Case) -> Case:
    arguments: dict[str, Value] = {
        name: value
        if isinstance(value, float)
        else np.frombuffer(value.float32, "<f4").reshape(value.shape)
        for name, value in row.arguments.items()
    }
    return Case(arguments, row.family)
