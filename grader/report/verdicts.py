"""Say a verdict in a few words."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grader.model.report import Verdict

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
