"""Generate a suite of cases from a seed.

Hypothesis does it. It runs derandomised by the suite's seed, without an example database and
without constants of whatever code is loaded, so the same exercise, seed and count give the same
cases.
"""

from collections.abc import Sequence
from itertools import cycle, islice
from random import Random

from hypothesis import HealthCheck, Phase, given, seed, settings

from grader.drawing import blaming, in_order, without_constants_of_modules
from grader.errors import ExerciseError
from grader.model import Arguments, Case, Exercise, Family, Suite

_SPARES = 8
"""Further cases of the first family, which stand in for cases that cannot be judged by."""


def generate(exercise: Exercise, suite_seed: str, count: int) -> Suite:
    """Return count cases and some spares, the families taking turns.

    Args:
        suite_seed: hex.
        count: cases wanted; every family of a suite this large has at least one, the last ones
            excepted where there are more families than cases.

    Raises:
        ExerciseError: no family is for such a suite, or one draws other arguments.
    """
    families = [
        family for family in _families(exercise) if family.budget and family.smallest_suite <= count
    ]
    if not families:
        raise ExerciseError(
            f"{exercise.name}: strategy.py has no family for a suite of {count} cases"
        )
    drawn: dict[str, list[Arguments]] = {}
    earlier: list[Arguments] = []
    for family, wanted in zip(families, _share(families, count), strict=True):
        source = Random(f"{suite_seed} {family.name}").getrandbits(64)
        drawn[family.name] = _draw(exercise, family, earlier, wanted, source)
        earlier += drawn[family.name]
    cases = _take_turns(drawn)[:count]
    spare_seed = Random(f"{suite_seed} spares").getrandbits(64)
    spares = _draw(exercise, families[0], (), _SPARES, spare_seed)
    return Suite(suite_seed, (*cases, *(Case(spare, families[0].name) for spare in spares)))


def probes(exercise: Exercise, suite_seed: str, each: int) -> Suite:
    """Return cases of the families that are in no suite: inputs that should be hard to judge by."""
    found: list[Case] = []
    for family in _families(exercise):
        if not family.budget:
            source = Random(f"{suite_seed} {family.name}").getrandbits(64)
            drawn = _draw(exercise, family, (), each, source)
            found += [Case(arguments, family.name) for arguments in drawn]
    return Suite(suite_seed, tuple(found))


def watched(exercise: Exercise) -> Case:
    """Return the case on which an exercise's structure is observed.

    Raises:
        ExerciseError: it cannot be drawn, or is none of the contract's.
    """
    with blaming(exercise, "to_watch"):
        return Case(in_order(exercise, exercise.watched, "to_watch"))


def _share(families: Sequence[Family], count: int) -> list[int]:
    """Divide count by the families' budgets: at least one each, largest remainders first."""
    total = sum(family.budget for family in families)
    exact = [count * family.budget / total for family in families]
    shares = [max(1, int(share)) for share in exact]
    order = sorted(range(len(exact)), key=lambda i: int(exact[i]) - exact[i])
    for index in islice(cycle(order), max(0, count - sum(shares))):
        shares[index] += 1
    return shares


def _take_turns(drawn: dict[str, list[Arguments]]) -> list[Case]:
    """Order cases so that every family has its first before any has its second."""
    rounds = [
        (turn, Case(arguments, name))
        for name, members in drawn.items()
        for turn, arguments in enumerate(members)
    ]
    return [case for _, case in sorted(rounds, key=lambda pair: pair[0])]


def _draw(
    exercise: Exercise, family: Family, earlier: Sequence[Arguments], count: int, source: int
) -> list[Arguments]:
    """Return count examples of a family; one with fewer of them repeats its own."""
    place = f"strategy.py, family {family.name}"
    drawn: list[Arguments] = []
    with blaming(exercise, place):
        strategy = family.strategy(tuple(earlier))

    @seed(source)
    @settings(
        max_examples=count + 1,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(arguments: Arguments) -> None:
        drawn.append(in_order(exercise, arguments))

    with blaming(exercise, place), without_constants_of_modules:
        collect()
    # Hypothesis opens with the simplest example whatever the seed; it would be in every suite.
    varied = drawn[1:] or drawn
    return list(islice(cycle(varied), count))


def _families(exercise: Exercise) -> tuple[Family, ...]:
    with blaming(exercise, "strategy.py"):
        return exercise.families()
