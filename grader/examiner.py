"""Know what is asked, what is right, and why an answer is wrong: the judge's source of truth."""

import time
from contextlib import suppress
from typing import Protocol

from grader import rubric
from grader.diagnosis import Diagnostician, Evidence
from grader.errors import OutOfTime
from grader.meter import Meter
from grader.model import Case, Diagnosis, Exercise, Finding
from grader.oracle import Oracle
from grader.questions import Questions, pose
from grader.run import Run
from grader.structure.static import Facts
from grader.trial import Failure, is_alive_after

SHRINK_S = 150.0
"""Seconds of the wall clock after which no further input is tried. Counted attempts bound the work,
so that a report repeats on a busy machine as well: they take 1 CPU s, 3 where all is compiled anew.
This one leaves half of a worker's 300 s to the stages, when a submission sleeps in its calls."""


class Examiner(Protocol):
    """Whoever knows what is asked, what is right, and why an answer is wrong."""

    @property
    def seed(self) -> str:
        """Hex, of the suite."""

    @property
    def count(self) -> int:
        """How many cases a suite should have."""

    def meter(self) -> Meter:
        """Start measuring what one grading costs."""

    def pose(self) -> Questions:
        """Return the questions, in the order of asking."""

    def follow_up(self, run: Run, questions: Questions) -> Evidence:
        """After the suite: ask a submission that failed whatever more tells why."""

    def simplify(self, run: Run, questions: Questions) -> None:
        """After the watched call: look for a simpler input that fails for the same reason."""

    def look_inside(self, run: Run, evidence: Evidence) -> None:
        """At last: compare what the submission builds."""

    def findings(self, run: Run, facts: Facts, total: int) -> list[Finding]:
        """Return one finding a criterion; total is the number of questions."""

    def conclude(self, run: Run, evidence: Evidence, found: list[Finding]) -> Diagnosis:
        """Say why the answers are wrong."""


class ReferenceExaminer:
    """Knows every answer: through the oracle it runs the reference, and variants of it."""

    def __init__(self, exercise: Exercise, oracle: Oracle, seed: str, count: int) -> None:
        self.seed, self.count = seed, count
        self._exercise, self._oracle = exercise, oracle
        self._diagnostician = Diagnostician(exercise, oracle)

    def meter(self) -> Meter:
        """Start measuring what one grading costs, the oracle's share included."""
        return Meter(self._oracle)

    def pose(self) -> Questions:
        """Return the questions of the seed's suite."""
        return pose(self._exercise, self._oracle, self.seed, self.count)

    def follow_up(self, run: Run, questions: Questions) -> Evidence:
        """Look for the one mistake that explains the answers."""
        try:
            return self._diagnostician.ask(run, questions.asked)
        except OutOfTime:
            return Evidence()

    def look_inside(self, run: Run, evidence: Evidence) -> None:
        """Compare stages on the counterexample, and try the reference's weights."""
        with suppress(OutOfTime):  # what was found until then is in the evidence
            self._diagnostician.look_inside(run, evidence)

    def conclude(self, run: Run, evidence: Evidence, found: list[Finding]) -> Diagnosis:
        """Return the explanation that holds; none when there is no time to make sure."""
        try:
            return self._diagnostician.conclude(run, evidence, found)
        except OutOfTime:
            return Diagnosis(kind="none")

    def findings(self, run: Run, facts: Facts, total: int) -> list[Finding]:
        """Return one finding a criterion, all of them judged."""
        return rubric.findings(self._exercise, facts, run.trial, total)

    def simplify(self, run: Run, questions: Questions) -> None:
        """Shrink a failure to a simpler input that fails for the same reason."""
        failure = run.trial.failure
        if failure is None or not run.is_alive:
            return
        end = min(time.monotonic() + SHRINK_S, self._oracle.variants_until)
        if time.monotonic() > end:
            return
        from grader import shrinking  # Hypothesis; needed for failures only

        found: dict[str, Failure] = {failure.case.digest: failure}

        def fails(case: Case) -> bool:
            if time.monotonic() > end:
                return False
            expected = self._oracle.expect([case])[0]
            if self._exercise.tolerance.unfit(expected) is not None:
                return False
            again = run.attempt(case, expected, failure.number).failure
            if again is None or again.reason != failure.reason:
                return False
            found[case.digest] = again
            return is_alive_after(again.error)

        simplest = shrinking.shrink(
            self._exercise,
            failure.case,
            fails,
            pool=set(map(self._exercise.shape, questions.suite.cases)),
            attempts=shrinking.ATTEMPTS,
        )
        run.trial.shrunk = found[simplest.digest]
