"""Shrink a failing case to a simple one that still fails; Hypothesis does it."""

import hashlib
from collections.abc import Callable, Collection
from random import Random

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample

from grader.drawing import blaming, in_order, without_constants_of_modules
from grader.model import Arguments, Case, Exercise

Shape = tuple[int, ...]

ATTEMPTS = 40
"""Distinct inputs tried to simplify a failure; one costs 0.03 s, or 0.4 s when its shape is new."""


class _Escaped(BaseException):
    """Carries what `fails` raised past Hypothesis: it would take it for a failing case.

    It would then ask again, to simplify it, where a worker that is gone answers otherwise. It does
    so for SystemExit as well, by which a process of ours ends that is told to.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


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
        case = Case(in_order(exercise, arguments), failing.family)
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
        with blaming(exercise, "strategy.py, simpler"), without_constants_of_modules:
            strategy = exercise.simpler(failing.arguments)
            found = find(strategy, still_fails, settings=quiet, random=Random(digest))
    except NoSuchExample:
        return failing
    except _Escaped as escaped:
        raise escaped.error from None
    return Case(in_order(exercise, found), failing.family)
