"""Keep generated suites on disk: Hypothesis is loaded only when a suite is new or must shrink."""

from collections.abc import Callable, Sequence

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

    def generate() -> Sequence[Case]:
        from grader import cases

        return cases.generate(exercise, seed, count).cases

    return Suite(seed, _recall_or_make(oracle, f"suite {seed} {count}", generate))


def simpler_cases(exercise: Exercise, oracle: Oracle, suite: Suite) -> tuple[Case, ...]:
    """Return what the first case of a suite is simplified to, step by step, where all inputs fail.

    Nine of ten wrong submissions fail on the first case, and on nearly every input.
    """

    def simplify() -> Sequence[Case]:
        from grader import shrinking

        tried: list[Case] = []

        def fails(case: Case) -> bool:
            fit = exercise.tolerance.unfit(oracle.expect([case])[0]) is None
            tried.extend([case] if fit else [])
            return fit

        pool = set(map(exercise.shape, suite.cases))
        shrinking.shrink(exercise, suite.cases[0], fails, pool=pool, attempts=shrinking.ATTEMPTS)
        return tried

    return _recall_or_make(oracle, f"simpler {suite.digest}", simplify)


def _recall_or_make(
    oracle: Oracle, key: str, make: Callable[[], Sequence[Case]]
) -> tuple[Case, ...]:
    stored = oracle.store.recall(key)
    if stored is not None:
        rows = msgspec.msgpack.decode(stored, type=list[_Case])
        return tuple(_thaw(row) for row in rows)
    made = tuple(make())
    oracle.refuse_changes()  # strategy.py is read when it first draws
    oracle.store.keep(key, msgspec.msgpack.encode([_freeze(case) for case in made]))
    return made


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
