"""Say whose fault a failure is.

GraderError
|-- UsageError             the caller asked for something that is not there: exit 2
|-- SubmissionError        the student's file did it: becomes a verdict
|   |-- InvalidSubmission    it cannot be read as Python, or does not define the function
|   |-- RunError             it raised, or ended its process
|   |-- TimeLimitExceeded    it did not answer in time
|   |-- MemoryLimitExceeded  it asked for more memory than it may have
|   |-- OutputLimitExceeded  it returned or printed too much
|   `-- ProtocolError        it answered with bytes that are no answer
`-- InternalError          ours: retried once, never charged to the student
    |-- SandboxError         the wall could not be built, or fell before the submission was read
    |   |-- Missed             a worker cannot go on by the short way: ask another, from the start
    |   `-- GivenUp            whoever asked the worker wants no answer any more
    `-- OracleError          the reference did not answer
        |-- ExerciseError      a file of the exercise is wrong: exit 2 for whoever writes it
        `-- OutOfTime          a variant was not run: there is no time left for explanations
"""

from grader.model import Sandbox, Verdict


class GraderError(Exception):
    """Base of every error that this package raises on purpose."""


class UsageError(GraderError):
    """The caller named something that is not there; the text says how to mend it."""


class SubmissionError(GraderError):
    """The submission failed in a way that is a verdict about it.

    Args:
        message: one sentence for the student, safe to show.
        evidence: facts for the report, JSON-ready.
    """

    verdict: Verdict = "runtime_error"

    def __init__(self, message: str, **evidence: object) -> None:
        super().__init__(message)
        self.message = message
        self.evidence = evidence


class InvalidSubmission(SubmissionError):
    """The file cannot be read as a submission."""

    verdict: Verdict = "invalid_submission"


class RunError(SubmissionError):
    """The submission raised an exception or ended its own process."""

    verdict: Verdict = "runtime_error"


class TimeLimitExceeded(SubmissionError):
    """The submission did not answer before its deadline."""

    verdict: Verdict = "time_limit"


class ProcessorTimeExceeded(TimeLimitExceeded):
    """The submission used all the processor time that its worker may use."""


class MemoryLimitExceeded(SubmissionError):
    """The submission ran out of the memory it may use."""

    verdict: Verdict = "memory_limit"


class OutputLimitExceeded(SubmissionError):
    """The submission returned or printed more than it may."""

    verdict: Verdict = "output_limit"


class ProtocolError(SubmissionError):
    """The worker's bytes were not a valid answer to the call that was made."""

    verdict: Verdict = "protocol"


class InternalError(GraderError):
    """Something of ours failed; the student is not charged."""


class SandboxError(InternalError):
    """The wall could not be built or did not start."""


class Missed(SandboxError):
    """A warm worker lacks a program, or was lost: nothing that it answered counts.

    Args:
        message: what happened.
        instead: the sandbox to judge in, from the start.
    """

    def __init__(self, message: str, instead: Sandbox) -> None:
        super().__init__(message)
        self.instead = instead


class GivenUp(SandboxError):
    """A worker was not waited for any longer, at our own wish."""


class OracleError(InternalError):
    """The trusted process that runs the reference failed."""


class ExerciseError(OracleError):
    """A file of the exercise raised, or gave what the contract does not allow."""


class OutOfTime(OracleError):
    """A variant of the reference is not run any more; what is known so far must do."""
