"""Generate a suite of cases from a seed, and shrink a failing case to a simple one.

Hypothesis does both. It runs derandomised by the suite's seed, without an example database and
without constants of whatever code is loaded, so the same exercise, seed and count give the same
cases.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from random import Random
from threading import Lock

import numpy as np
from hypothesis import HealthCheck, Phase, find, given, seed, settings
from hypothesis.errors import NoSuchExample
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from grader.errors import ExerciseError, GraderError
from grader.model import Arguments, Case, Exercise, Family, Suite
from grader.text import printable

Shape = tuple[int, ...]

ATTEMPTS = 40
"""Distinct inputs tried to simplify a failure; one costs 0.03 s, or 0.4 s when its shape is new."""
_SPARES = 8
"""Further cases of the first family, which stand in for cases that cannot be judged by."""


class _Escaped(BaseException):
    """Carries what `fails` raised past Hypothesis: it would take it for a failing case.

    It would then ask again, to simplify it, where a worker that is gone answers otherwise. It does
    so for SystemExit as well, by which a process of ours ends that is told to.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


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
    with _blaming(exercise, "to_watch"):
        return Case(_in_order(exercise, exercise.watched, "to_watch"))


def shrink(
    exercise: Exercise,
    failing: Case,
    fails: Callable[[Case], bool],
    *,
    pool: Collection[Shape],
    attempts: int,
) -> Case:
    """Return the simplest case found that still fails.

    First inside the pool, whose programs are compiled: seed, values and shape are simplified at the
    price of repeated shapes. What is left of the attempts then goes to smaller shapes.

    Args:
        fails: whether a case fails for the same reason; called once per distinct case. What it
            raises ends the search.
        pool: shapes of the suite, see Exercise.shape.
        attempts: largest number of distinct cases to try.
    """
    seen: dict[str, bool] = {failing.digest: True}
    inside = _shrink(exercise, failing, fails, seen, attempts // 2, lambda shape: shape in pool)
    return _shrink(exercise, inside, fails, seen, attempts, lambda shape: True)


def _shrink(
    exercise: Exercise,
    failing: Case,
    fails: Callable[[Case], bool],
    seen: dict[str, bool],
    most_seen: int,
    allows: Callable[[Shape], bool],
) -> Case:
    """Let Hypothesis find the simplest failing case of an allowed shape."""

    def still_fails(arguments: Arguments) -> bool:
        case = Case(_in_order(exercise, arguments), failing.family)
        if case.digest not in seen and allows(exercise.shape(case)):
            # Out of attempts: everything unseen passes, and Hypothesis ends with its best.
            try:
                seen[case.digest] = len(seen) <= most_seen and fails(case)
            except BaseException as error:
                raise _Escaped(error) from None
        return seen.get(case.digest, False)

    digest = hashlib.sha256(failing.digest.encode()).digest()
    quiet = settings(
        max_examples=20 * most_seen,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    try:
        with _blaming(exercise, "strategy.py, simpler"), _without_constants_of_modules:
            strategy = exercise.simpler(failing.arguments)
            found = find(strategy, still_fails, settings=quiet, random=Random(digest))
    except NoSuchExample:
        return failing
    except _Escaped as escaped:
        raise escaped.error from None
    return Case(_in_order(exercise, found), failing.family)


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
    with _blaming(exercise, place):
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
        drawn.append(_in_order(exercise, arguments))

    with _blaming(exercise, place), _without_constants_of_modules:
        collect()
    # Hypothesis opens with the simplest example whatever the seed; it would be in every suite.
    varied = drawn[1:] or drawn
    return list(islice(cycle(varied), count))


class _WithoutConstantsOfModules:
    """Keep Hypothesis from drawing what it finds in the source of the modules that are loaded.

    One number in twenty is such a constant, of modules outside of site-packages: in a checkout a
    suite was another one for each command that made it, and after each edit. It has no setting for
    this; both names are its own, and missing them is an error. The second keeps what it found.

    They are the whole process's, and suites are drawn in several threads: the first that comes in
    changes them, and the last that goes puts them back.
    """

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._found, self._kept = providers._get_local_constants, providers.CONSTANTS_CACHE

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._found, self._kept = providers._get_local_constants, providers.CONSTANTS_CACHE
                none = Constants()
                providers._get_local_constants = lambda: none
                providers.CONSTANTS_CACHE = type(self._kept)(self._kept.max_size)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                providers._get_local_constants = self._found
                providers.CONSTANTS_CACHE = self._kept


_without_constants_of_modules = _WithoutConstantsOfModules()


def _in_order(exercise: Exercise, arguments: Arguments, drawn_by: str = "strategy.py") -> Arguments:
    """Order arguments as the function's parameters are: a strategy may name them in any order."""
    names = [argument.name for argument in exercise.arguments]
    if set(names) != set(arguments):
        raise ExerciseError(
            f"{exercise.name}: the contract has the arguments {', '.join(names)}, {drawn_by} "
            f"draws {', '.join(arguments)}"
        )
    for argument in exercise.arguments:
        value = arguments[argument.name]
        is_integer = argument.kind == "integer"
        if not (isinstance(value, float) if is_integer else _is_float32(value)):
            wanted = "an integer, as a float" if is_integer else "a float32 array"
            given = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else repr(value)
            raise ExerciseError(
                f"{exercise.name}: {argument.name} is {wanted}; {drawn_by} draws {given[:80]}"
            )
    return {name: arguments[name] for name in names}


def _is_float32(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.float32


def _families(exercise: Exercise) -> tuple[Family, ...]:
    with _blaming(exercise, "strategy.py"):
        return exercise.families()


@contextmanager
def _blaming(exercise: Exercise, place: str) -> Iterator[None]:
    """What an exercise's own code raises is its author's to mend."""
    try:
        yield
    except (GraderError, NoSuchExample):
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {printable(str(error))}"
        raise ExerciseError(f"{exercise.name}: {place}: {said}") from error
