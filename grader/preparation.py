"""Compute ahead of the first grading what every grading of a suite needs."""

from grader.diagnosis import Diagnostician
from grader.model import Exercise
from grader.oracle import Oracle
from grader.questions import pose
from grader.rehearsal import steps
from grader.suites import recall_or_generate


def prepare(
    exercise: Exercise, oracle: Oracle, seed: str, count: int, *, with_programs: bool
) -> int:
    """Fill the cache: expected values, and what known mistakes answer.

    Args:
        with_programs: also compile, known or not, what workers may read; needs JAX in any case.

    Returns:
        The number of cases.

    Raises:
        OracleError: the reference could not be run.
    """
    suite = recall_or_generate(exercise, oracle, seed, count)
    if with_programs:
        oracle.warm_up(suite.cases)
    Diagnostician(exercise, oracle).prepare(pose(exercise, oracle, seed, count).asked)
    needed = steps(exercise, oracle, suite.cases)
    if with_programs:
        for step in needed:
            oracle.rehearse(step)
    return len(suite.cases)
