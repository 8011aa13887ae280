"""Name what a judging process is given, and the seam through which one is asked."""

from typing import Protocol

import msgspec


class Work(msgspec.Struct, frozen=True):
    """One submission to judge.

    Attributes:
        exercise: path of the exercise's folder.
        files: name and bytes of each.
    """

    exercise: str
    files: tuple[tuple[str, bytes], ...]


class Reply(msgspec.Struct, frozen=True):
    """The staff's report as JSON, or the error of ours that kept one from being made."""

    report: bytes = b""
    error: str = ""


class Grader(Protocol):
    """Judges one submission at a time."""

    def grade(self, work: Work) -> Reply:
        """Judge a submission.

        Raises:
            GraderDied: the process that judged it ended, or answered too late.
        """

    def close(self) -> None:
        """End at once whatever is running; may be called from another thread."""


class GraderDied(Exception):
    """The process that judged a submission is gone; the text says what is known of its end."""
