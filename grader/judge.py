"""Judge one submission: the one loop.

    file -> intake -> Submission
                        -> structure (static, from the text, never executed)
                        -> sandbox.open() -> Worker -- load -- call per case --> checker
                                                    -- inspect ---------------> structure (observed)
                        on the first failing case: shrink -> counterexample -> diagnosis
                        -> rubric -> Report

The judge is trusted and holds the cases, the expected values and the tolerance. The worker runs the
submission behind a wall and only answers calls; a student who owns it wholly can only choose which
numbers to answer. The judge loads no JAX: expected values come from the oracle, a third process.
"""

import logging

from grader import result, rubric
from grader.diagnosis import Diagnostician
from grader.errors import InternalError
from grader.meter import Meter
from grader.model import Case, Exercise, Report, Sandbox, Submission, Suite, SuiteName
from grader.oracle import Oracle
from grader.questions import Questions, pose
from grader.structure import read_facts
from grader.trial import Failure, Progress, Run, is_alive_after

SHRINK_ATTEMPTS = 40
"""Distinct inputs tried to simplify a failure; one costs 0.03 s, or 0.4 s when its shape is new."""

_logger = logging.getLogger("grader")


class Judge:
    """An exercise, a wall and an oracle: what any number of submissions are judged with."""

    def __init__(
        self,
        exercise: Exercise,
        sandbox: Sandbox,
        oracle: Oracle,
        *,
        seed: str | None = None,
        cases: int | None = None,
    ) -> None:
        self.exercise, self._sandbox, self._oracle = exercise, sandbox, oracle
        self._diagnostician = Diagnostician(exercise, oracle)
        self._seed = seed or exercise.default_seed
        self._count = cases or exercise.cases

    def grade(
        self, submission: Submission, progress: Progress = lambda done, total: None
    ) -> Report:
        """Judge a submission.

        A failure of ours is tried once more on a fresh worker, then reported as internal_error.
        """
        meter = Meter(self._oracle)
        for attempt in (1, 2):
            try:
                return self._grade(submission, progress, meter)
            except InternalError as error:
                _logger.error("attempt %d: %s", attempt, error)
                problem = str(error)
            except Exception as error:  # a bug of ours must not look like a wrong answer
                _logger.exception("attempt %d", attempt)
                problem = f"{type(error).__name__}: {error}"
        return result.our_fault(self.exercise, submission, self._seed, problem, meter.usage())

    def _grade(self, submission: Submission, progress: Progress, meter: Meter) -> Report:
        questions = self._questions()
        with self._sandbox.open(questions.deadlines) as worker:
            run = Run(self.exercise, worker, progress)
            if run.load(submission.source):
                run.answer_all(questions.asked)
            evidence = self._diagnostician.ask(run, questions.asked)
            self._simplify(run, questions.suite)
            run.try_integers()
            run.watch()
            self._diagnostician.look_inside(run, evidence)
            meter.worker(worker.cpu_s, worker.peak_memory_bytes)
            confined_by, environment = tuple(worker.confined_by), worker.environment
        facts = read_facts(submission.source)
        suite = questions.suite
        found = rubric.findings(self.exercise, facts, run.trial, len(suite.cases))
        name = SuiteName(
            seed=suite.seed,
            digest=suite.digest,
            cases=len(suite.cases),
            distinct_shapes=len(set(map(self.exercise.shape, suite.cases))),
        )
        return result.report(
            self.exercise,
            submission,
            run.trial,
            found,
            name,
            meter.usage(),
            diagnosis=self._diagnostician.conclude(run, evidence, found),
            stages=evidence.stages,
            confined_by=confined_by,
            environment=environment,
        )

    def _questions(self) -> Questions:
        return pose(self.exercise, self._oracle, self._seed, self._count)

    def _simplify(self, run: Run, suite: Suite) -> None:
        """Shrink a failure to a simpler input that fails for the same reason."""
        failure = run.trial.failure
        if failure is None or not is_alive_after(failure.error):
            return
        from grader import cases  # Hypothesis; needed for failures only

        found: dict[str, Failure] = {failure.case.digest: failure}

        def fails(case: Case) -> bool:
            expected = self._oracle.expect([case])[0]
            if self.exercise.tolerance.unfit(expected) is not None:
                return False
            again = run.attempt(case, expected, failure.number).failure
            if again is None or again.reason != failure.reason:
                return False
            found[case.digest] = again
            return is_alive_after(again.error)

        simplest = cases.shrink(
            self.exercise,
            failure.case,
            fails,
            pool=set(map(self.exercise.shape, suite.cases)),
            attempts=SHRINK_ATTEMPTS,
        )
        run.trial.shrunk = found[simplest.digest]
