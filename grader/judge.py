"""Judge one submission: the one loop.

    file -> intake -> Submission
                        -> structure (static, from the text, never executed)
                        -> sandbox.open() -> Worker -- load -- call per case --> checker
                                                    -- inspect ---------------> structure (observed)
                        on the first failing case: examiner -> counterexample, diagnosis
                        -> rubric -> Report

The judge is trusted and holds the cases, the expected values and the tolerance. The worker runs the
submission behind a wall and only answers calls; a student who owns it wholly can only choose which
numbers to answer. The judge loads no JAX: expected values come from an examiner, which asks the
oracle, a third process; in a student's own run it has the exercise's public examples alone.
"""

import logging
import math
import time

from grader import result
from grader.errors import InternalError, Missed
from grader.examiner import Examiner, ReferenceExaminer
from grader.meter import Meter
from grader.model import Exercise, Report, Sandbox, Submission, Suite, SuiteName
from grader.oracle import Oracle
from grader.run import Run
from grader.structure.static import read_facts
from grader.trial import Progress

_logger = logging.getLogger("grader")


class Judge:
    """An exercise, a wall and an examiner: what any number of submissions are judged with.

    Args:
        oracle: stands for a ReferenceExaminer of this seed and number of cases; an examiner of
            another kind brings a suite of its own.
        end: on the monotonic clock; a submission that has not answered by then is out of time.
    """

    def __init__(
        self,
        exercise: Exercise,
        sandbox: Sandbox,
        oracle: Oracle | Examiner,
        *,
        seed: str | None = None,
        cases: int | None = None,
        end: float = math.inf,
    ) -> None:
        self._end = end
        self.exercise, self._sandbox = exercise, sandbox
        if isinstance(oracle, Oracle):
            chosen = seed or exercise.default_seed, cases or exercise.cases
            oracle = ReferenceExaminer(exercise, oracle, *chosen)
        self._examiner = oracle

    def grade(
        self, submission: Submission, progress: Progress = lambda done, total: None
    ) -> Report:
        """Judge a submission.

        A failure of ours is tried once more on a fresh worker, if there is time left, then reported
        as internal_error.
        """
        meter = self._examiner.meter()
        for attempt in (1, 2):
            try:
                return self._grade(submission, progress, meter)
            except InternalError as error:
                _logger.error("attempt %d: %s", attempt, error)
                problem = str(error)
            except Exception as error:  # a bug of ours must not look like a wrong answer
                _logger.exception("attempt %d", attempt)
                problem = f"{type(error).__name__}: {error}"
            if time.monotonic() >= self._end:
                break
        seed = self._examiner.seed
        return result.our_fault(self.exercise, submission, seed, problem, meter.usage())

    def _grade(self, submission: Submission, progress: Progress, meter: Meter) -> Report:
        try:
            return self._grade_in(self._sandbox, submission, progress, meter)
        except Missed as missed:  # by the short way it cannot be judged: by the long one, from zero
            return self._grade_in(missed.instead, submission, progress, meter)

    def _grade_in(
        self, sandbox: Sandbox, submission: Submission, progress: Progress, meter: Meter
    ) -> Report:
        questions = self._examiner.pose()
        given_s = min(questions.deadlines.total_s, self._end - meter.begun)
        deadlines = questions.deadlines.within(time.monotonic(), self._end, given_s=given_s)
        with sandbox.open(deadlines) as worker, meter.counting(worker):
            run = Run(self.exercise, worker, progress)
            if run.load(submission.source):
                run.answer_all(questions.asked)
            evidence = self._examiner.follow_up(run, questions)
            run.try_integers()
            run.watch()  # it gives points: before inputs of our own choosing, which may end the run
            self._examiner.simplify(run, questions)
            self._examiner.look_inside(run, evidence)
            confined_by, environment = tuple(worker.confined_by), worker.environment
        suite = questions.suite
        found = self._examiner.findings(run, read_facts(submission.source), len(suite.cases))
        return result.report(
            self.exercise,
            submission,
            run.trial,
            found,
            self._name(suite),
            meter.usage(),
            diagnosis=self._examiner.conclude(run, evidence, found),
            stages=evidence.stages,
            confined_by=confined_by,
            environment=environment,
        )

    def _name(self, suite: Suite) -> SuiteName:
        return SuiteName(
            seed=suite.seed,
            digest=suite.digest,
            cases=len(suite.cases),
            asked=self._examiner.count,
            distinct_shapes=len(set(map(self.exercise.shape, suite.cases))),
        )
