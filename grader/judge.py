"""Judge one submission: the one loop.

    file -> intake -> Submission
                        -> structure (static, from the text, never executed)
                        -> sandbox.open() -> Worker -- load -- call per case --> checker
                                                    -- inspect ---------------> structure (observed)
                        on the first failing case: shrink -> counterexample
                        -> rubric -> Report

The judge is trusted and holds the cases, the expected values and the tolerance. The worker runs the
submission behind a wall and only answers calls; a student who owns it wholly can only choose which
numbers to answer. The judge loads no JAX: expected values come from the oracle, a third process.
"""

import logging
import time
from collections.abc import Sequence

from grader import rubric
from grader.environment import versions
from grader.errors import InternalError, SubmissionError
from grader.explain import case_results, counterexample
from grader.model import (
    Case,
    Diagnosis,
    Exercise,
    ExerciseName,
    Finding,
    Report,
    Sandbox,
    Submission,
    SubmissionName,
    Suite,
    SuiteName,
    Usage,
)
from grader.oracle import Oracle
from grader.questions import Questions, pose
from grader.structure import read_facts
from grader.trial import Failure, Progress, Run, Trial, is_alive_after

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
        self._seed = seed or exercise.default_seed
        self._count = cases or exercise.cases

    def grade(
        self, submission: Submission, progress: Progress = lambda done, total: None
    ) -> Report:
        """Judge a submission.

        A failure of ours is tried once more on a fresh worker, then reported as internal_error.
        """
        meter = _Meter(self._oracle)
        for attempt in (1, 2):
            try:
                return self._grade(submission, progress, meter)
            except InternalError as error:
                _logger.error("attempt %d: %s", attempt, error)
                problem = str(error)
            except Exception as error:  # a bug of ours must not look like a wrong answer
                _logger.exception("attempt %d", attempt)
                problem = f"{type(error).__name__}: {error}"
        return self._our_fault(submission, problem, meter)

    def _grade(self, submission: Submission, progress: Progress, meter: "_Meter") -> Report:
        questions = self._questions()
        with self._sandbox.open(questions.deadlines) as worker:
            run = Run(self.exercise, worker, progress)
            if run.load(submission.source):
                run.answer_all(questions.asked)
            self._simplify(run, questions.suite)
            run.try_integers()
            run.watch()
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
        return _report(
            self.exercise, submission, run.trial, found, name, meter, confined_by, environment
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

    def _our_fault(self, submission: Submission, problem: str, meter: "_Meter") -> Report:
        """Report that the grader failed: nothing is said about the submission."""
        text = "Not judged: the grader itself failed. This is not your fault; it will be repeated."
        found = [
            Finding(
                id=criterion.id,
                title=criterion.title,
                status="skipped",
                points=0,
                max_points=criterion.points,
                message=text,
                evidence={"because": "internal_error", "problem": problem[:300]},
            )
            for criterion in self.exercise.rubric
        ]
        return Report(
            exercise=ExerciseName(name=self.exercise.name, digest=self.exercise.digest),
            submission=SubmissionName(name=submission.name, sha256=submission.sha256),
            verdict="internal_error",
            score=0,
            max_score=sum(finding.max_points for finding in found),
            findings=found,
            counterexample=None,
            diagnosis=Diagnosis(kind="none"),
            stages=[],
            cases=[],
            suite=SuiteName(seed=self._seed, digest="", cases=0, distinct_shapes=0),
            confined_by=[],
            environment=versions(),
            usage=meter.usage(),
        )


def refuse(
    exercise: Exercise, oracle: Oracle, name: str, error: SubmissionError, seed: str | None = None
) -> Report:
    """Report a submission that could not be read: nothing is run, no wall is needed."""
    trial = Trial(load_error=error)
    found = rubric.findings(exercise, read_facts(b""), trial, 0)
    chosen = seed or exercise.default_seed
    suite = SuiteName(seed=chosen, digest="", cases=0, distinct_shapes=0)
    unread = Submission(name, b"", "")
    return _report(exercise, unread, trial, found, suite, _Meter(oracle), (), {})


def _report(
    exercise: Exercise,
    submission: Submission,
    trial: Trial,
    found: list[Finding],
    suite: SuiteName,
    meter: "_Meter",
    confined_by: Sequence[str],
    environment: dict[str, str],
) -> Report:
    failure = trial.shrunk or trial.failure
    return Report(
        exercise=ExerciseName(name=exercise.name, digest=exercise.digest),
        submission=SubmissionName(name=submission.name, sha256=submission.sha256),
        verdict=rubric.verdict(trial, found),
        score=sum(finding.points for finding in found),
        max_score=sum(finding.max_points for finding in found),
        findings=found,
        counterexample=None if failure is None else counterexample(exercise.entry, failure),
        diagnosis=Diagnosis(kind="none"),
        stages=[],
        cases=case_results(exercise, trial),
        suite=suite,
        confined_by=list(confined_by),
        environment=versions() | environment,
        usage=meter.usage(),
    )


class _Meter:
    """What one grading costs."""

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self._wall, self._cpu, self._oracle_cpu = (
            time.monotonic(),
            time.process_time(),
            oracle.cpu_s,
        )
        self._worker_cpu, self._peak = 0.0, 0

    def worker(self, cpu_s: float, peak_memory_bytes: int) -> None:
        """Add one worker's use."""
        self._worker_cpu += cpu_s
        self._peak = max(self._peak, peak_memory_bytes)

    def usage(self) -> Usage:
        """Return what was used since the start."""
        own = time.process_time() - self._cpu
        return Usage(
            wall_s=round(time.monotonic() - self._wall, 3),
            worker_cpu_s=round(self._worker_cpu, 3),
            judge_cpu_s=round(own + self._oracle.cpu_s - self._oracle_cpu, 3),
            peak_memory_bytes=self._peak,
        )
