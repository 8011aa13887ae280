"""Have an exercise draw everything that it ever draws, before anything depends on it."""

from grader import cases, shrinking
from grader.errors import ExerciseError
from grader.model import Case, Exercise
from grader.oracle import Oracle
from grader.suites import simpler_cases


def refuse_other_inputs(exercise: Exercise, oracle: Oracle) -> None:
    """Make sure that all inputs are the contract's: the families', the simpler and the watched.

    A wrong submission is the first that asks for simpler ones, and it must not be what finds out.

    Raises:
        ExerciseError: one is not, or could not be drawn, or the reference does not take it.
    """
    expected = oracle.expect([cases.watched(exercise)])[0]
    unfit = exercise.tolerance.unfit(expected)
    if unfit is not None:
        raise ExerciseError(
            f"{exercise.name}: to_watch draws an input that nothing can be judged by: {unfit}"
        )
    suite = cases.generate(exercise, exercise.default_seed, exercise.cases)
    firsts = {case.family: case for case in reversed(suite.cases)}
    for case in firsts.values():
        _draw_simpler(exercise, case)
    simpler_cases(exercise, oracle, suite)
    cases.probes(exercise, exercise.default_seed, 1)


def _draw_simpler(exercise: Exercise, case: Case) -> None:
    """Draw a few inputs that are simpler than a case; none of them fails."""
    shrinking.shrink(exercise, case, lambda simpler: False, pool={exercise.shape(case)}, attempts=8)
