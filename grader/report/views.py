"""Build the document that a student may see.

It is a new document, made of what may be shown at its level; nothing is taken out of a fuller one
later. What a level does not name stays away, fields that the report gets in future included.

A submission has seen hidden inputs while it ran, and what it does can carry them out: in the text
of an exception, in the memory it takes, in the time it needs. Below "counterexample" none of these
is shown. Where nothing was called there is nothing to carry out: why a file cannot be read is said
at every level, and so is that the grader itself failed.
"""

from grader.errors import UsageError
from grader.model import Diagnosis, Finding, Report, Shown, SuiteName, Usage
from grader.model.report import Feedback
from grader.report.verdicts import is_unread

LEVELS: tuple[Feedback, ...] = ("score", "category", "counterexample", "full")
"""From the least to the most; each shows what those before it show.

"score": score and verdict; "category": also what failed, and the name of the diagnosis;
"counterexample": also the messages and the smallest failing input; "full": also the message of the
diagnosis and the stages.
"""

_WITH_MESSAGES = ("counterexample", "full")

_EVIDENCE = ("line", "because", "exception", "reduction")
"""Facts about the student's own file; none says where in the suite a case stands."""
_ALWAYS = ("because",)
"""The id of the finding that stood in the way: what holds that one back must know of this one."""

_VERSIONS = ("python", "jax", "flax")
_NO_USAGE = Usage(wall_s=0.0, worker_cpu_s=0.0, judge_cpu_s=0.0, peak_memory_bytes=0)


def for_student(report: Report, feedback: Feedback) -> Report:
    """Return the document for a student.

    Which exercise, which file and which suite (by digest) were judged is said at every level.

    Args:
        report: the staff's; a student's can only be narrowed.

    Raises:
        UsageError: the report is a student's already and does not hold that much.
    """
    _refuse_more(report, feedback)
    told = feedback in _WITH_MESSAGES
    return Report(
        exercise=report.exercise,
        submission=report.submission,
        verdict=report.verdict,
        score=report.score,
        max_score=report.max_score,
        findings=_findings(report, feedback),
        counterexample=report.counterexample if told else None,
        diagnosis=_diagnosis(report.diagnosis, feedback),
        stages=list(report.stages) if feedback == "full" else [],
        cases=[],
        suite=_suite(report.suite),
        confined_by=[],
        environment={k: v for k, v in report.environment.items() if k in _VERSIONS},
        usage=report.usage if told else _NO_USAGE,
        shown=Shown(view="student", feedback=feedback),
    )


def _refuse_more(report: Report, feedback: Feedback) -> None:
    """A student's document does not hold what was never put into it."""
    held = report.shown
    if held.view == "student" and LEVELS.index(feedback) > LEVELS.index(held.feedback):
        raise UsageError(
            f"this report was made for a student with feedback {held.feedback}, it cannot show "
            f"{feedback}; use the staff report"
        )


def _findings(report: Report, feedback: Feedback) -> list[Finding]:
    """Return the findings with as much said as the level allows."""
    ours = report.verdict == "internal_error"  # then the messages are the grader's own
    unread = is_unread(report)
    shown = report.findings
    if feedback == "score" and not ours:
        shown = [finding for finding in shown if unread and finding.status == "failed"]
    told = feedback in _WITH_MESSAGES or unread
    evidence = _EVIDENCE if told else _ALWAYS
    return [
        Finding(
            id=finding.id,
            title=finding.title,
            status=finding.status,
            points=finding.points,
            max_points=finding.max_points,
            message=finding.message if told or ours else "",
            evidence={k: v for k, v in finding.evidence.items() if k in evidence},
        )
        for finding in shown
    ]


def _diagnosis(diagnosis: Diagnosis, feedback: Feedback) -> Diagnosis:
    if feedback == "score":
        return Diagnosis(kind="none")
    if feedback != "full":
        return Diagnosis(kind=diagnosis.kind, id=diagnosis.id, title=diagnosis.title)
    return Diagnosis(
        kind=diagnosis.kind,
        id=diagnosis.id,
        title=diagnosis.title,
        message=diagnosis.message,
        explained_cases=diagnosis.explained_cases,
        first_differing_stage=diagnosis.first_differing_stage,
        agrees_before=list(diagnosis.agrees_before),
    )


def _suite(suite: SuiteName) -> SuiteName:
    """Name the suite without its seed: whoever holds that can make the hidden cases."""
    return SuiteName(
        seed="",
        digest=suite.digest,
        cases=suite.cases,
        asked=suite.asked,
        distinct_shapes=suite.distinct_shapes,
    )
