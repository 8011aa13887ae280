"""Say what a verdict means."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grader.model.report import Report, Verdict

VERDICTS: "dict[Verdict, str]" = {
    "accepted": "accepted",
    "wrong_answer": "wrong answer",
    "structure": "right values, wrong structure",
    "runtime_error": "it raised an error",
    "time_limit": "it took too long",
    "memory_limit": "it used too much memory",
    "output_limit": "it returned or printed too much",
    "protocol": "it broke the connection to the judge",
    "invalid_submission": "it cannot be read as a submission",
    "internal_error": "the grader failed: not your fault",
}


def is_unread(report: "Report") -> bool:
    """Whether nothing was called, so that no hidden input can stand in what is said.

    The verdict alone does not tell: a worker names its exceptions as it likes, and one that was
    raised by a call may claim it. But a call that failed is the counterexample; where that is not
    shown, no message is.
    """
    return (
        report.verdict == "invalid_submission"
        and report.counterexample is None
        and any(finding.message for finding in report.findings)
    )
