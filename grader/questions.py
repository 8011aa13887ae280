"""Pose a suite's questions: the cases on which right and wrong can be told apart, with answers."""

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from grader.errors import OracleError
from grader.model import Case, Deadlines, Exercise, Expected, Suite, Tolerance
from grader.oracle import Oracle
from grader.suites import recall_or_generate


class Question(NamedTuple):
    """One case and what the oracle says about it."""

    case: Case
    expected: Expected


class Unfit(NamedTuple):
    """A case that was thrown out of its suite, and why."""

    case: Case
    expected: Expected
    reason: str


@dataclass(frozen=True)
class Questions:
    """What one suite asks.

    Attributes:
        seed: hex, the suite's.
        asked: at most as many as were wanted, in the suite's order.
        unfit: cases that were thrown out; spares stand in for them.
    """

    seed: str
    asked: tuple[Question, ...]
    unfit: tuple[Unfit, ...]

    @property
    def suite(self) -> Suite:
        """The cases that are asked."""
        return Suite(self.seed, tuple(question.case for question in self.asked))

    def widest_gap(self, tolerance: Tolerance) -> float:
        """Return the reference's largest error in units of what rounding explains.

        Above 1 either the float64 evaluation or the reference is wrong: the bound would grow with
        the gap and hide it.
        """
        floors = ((one.expected.gap, tolerance.floor(one.expected)) for one in self.asked)
        return max((gap / floor if floor else 0.0 for gap, floor in floors), default=0.0)

    @property
    def reasons(self) -> dict[str, int]:
        """Why cases were thrown out: reason to number of cases."""
        return dict(Counter(one.reason for one in self.unfit))

    @property
    def seconds(self) -> float:
        """What the reference took for all of them on this machine, compiling included."""
        return sum(question.expected.seconds for question in self.asked)

    @property
    def deadlines(self) -> Deadlines:
        """Deadlines from what the reference took on this machine, compiling included."""
        seconds = sorted(question.expected.seconds for question in self.asked) or [0.0]
        usual, longest = seconds[len(seconds) // 2], seconds[-1]
        return Deadlines(first_s=max(10.0, 10 * longest), repeat_s=max(5.0, 20 * usual))


def sort_out(exercise: Exercise, oracle: Oracle, seed: str, count: int) -> Questions:
    """Return a suite's questions, without those that cannot be judged by; there may be none."""
    suite = recall_or_generate(exercise, oracle, seed, count)
    return sort_cases(exercise, oracle, suite, count)


def sort_cases(exercise: Exercise, oracle: Oracle, suite: Suite, count: int) -> Questions:
    """Divide the cases of a suite into those that are asked, at most count, and the unfit."""
    asked, unfit = [], []
    for case, expected in zip(suite.cases, oracle.expect(suite.cases), strict=True):
        reason = exercise.tolerance.unfit(expected)
        if reason is None:
            asked.append(Question(case, expected))
        else:
            unfit.append(Unfit(case, expected, reason))
    return Questions(suite.seed, tuple(asked[:count]), tuple(unfit))


def pose(exercise: Exercise, oracle: Oracle, seed: str, count: int) -> Questions:
    """Return a suite's questions.

    Raises:
        OracleError: there is none: a suite without cases would accept everything.
    """
    questions = sort_out(exercise, oracle, seed, count)
    if not questions.asked:
        why = ", ".join(f"{number} {reason}" for reason, number in questions.reasons.items())
        raise OracleError(f"no case of {exercise.name}'s suite can be judged by: {why}")
    return questions
