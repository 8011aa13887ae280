"""Put what happened in a grading into its report."""

from collections.abc import Mapping, Sequence

from grader import rubric
from grader.environment import versions
from grader.errors import SubmissionError
from grader.explain import case_results, counterexample
from grader.model import (
    Diagnosis,
    Exercise,
    ExerciseName,
    Finding,
    Report,
    Stage,
    Submission,
    SubmissionName,
    SuiteName,
    Usage,
)
from grader.structure.static import read_facts
from grader.trial import Trial

_NOTHING = Diagnosis(kind="none")


def report(
    exercise: Exercise,
    submission: Submission,
    trial: Trial,
    found: list[Finding],
    suite: SuiteName,
    usage: Usage,
    *,
    diagnosis: Diagnosis = _NOTHING,
    stages: Sequence[Stage] = (),
    confined_by: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Report:
    """Return the report of a grading that came to an end.

    Args:
        found: one finding a criterion.
        environment: versions inside the worker.
    """
    failure = trial.shrunk or trial.failure
    return Report(
        exercise=ExerciseName(name=exercise.name, digest=exercise.digest),
        submission=SubmissionName(name=submission.name, sha256=submission.sha256),
        verdict=rubric.verdict(trial, found),
        score=sum(finding.points for finding in found),
        max_score=sum(finding.max_points for finding in found),
        findings=found,
        counterexample=None if failure is None else counterexample(exercise.entry, failure),
        diagnosis=diagnosis,
        stages=list(stages),
        cases=case_results(exercise, trial),
        suite=suite,
        confined_by=list(confined_by),
        environment={**versions(), **(environment or {})},
        usage=usage,
    )


def refuse(
    exercise: Exercise, name: str, error: SubmissionError, usage: Usage, seed: str | None = None
) -> Report:
    """Report a submission that could not be read: nothing is run, no wall is needed."""
    trial = Trial(load_error=error)
    found = rubric.findings(exercise, read_facts(b""), trial, 0)
    unread = Submission(name, b"", "")
    return report(exercise, unread, trial, found, _no_suite(seed or exercise.default_seed), usage)


def our_fault(
    exercise: Exercise, submission: Submission, seed: str, problem: str, usage: Usage
) -> Report:
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
        for criterion in exercise.rubric
    ]
    return Report(
        exercise=ExerciseName(name=exercise.name, digest=exercise.digest),
        submission=SubmissionName(name=submission.name, sha256=submission.sha256),
        verdict="internal_error",
        score=0,
        max_score=sum(finding.max_points for finding in found),
        findings=found,
        counterexample=None,
        diagnosis=_NOTHING,
        stages=[],
        cases=[],
        suite=_no_suite(seed),
        confined_by=[],
        environment=versions(),
        usage=usage,
    )


def _no_suite(seed: str) -> SuiteName:
    return SuiteName(seed=seed, digest="", cases=0, distinct_shapes=0)
