"""Say what a platform is: where things lie, how long it waits, what it wants back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grader.model import Report

NOT_JUDGED = 3
"""Exit code of an error of ours, where the platform looks at it; the command line's too."""

SORRY = (
    "Not judged: the grader itself failed. This is not your fault, and it does not count. "
    "Please submit again; if it fails again, tell your instructor."
)


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where things lie inside the platform's container.

    Attributes:
        submission: the student's file or folder.
        result: what we write; None for standard output.
        settings: the instructor's grading.toml, which may be absent; "" where the student's own
            folder is all there is: a grading.toml there could name an exercise to run.
        metadata: what the platform says about this submission.
    """

    submission: str
    result: str | None
    settings: str
    metadata: str | None = None


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What else decides a result, besides the report.

    Attributes:
        options: the platform's own section of grading.toml, every option present.
        metadata: the platform's words about this submission; empty when there are none.
    """

    options: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What a platform gets for one submission.

    Attributes:
        document: the result; None where an error of ours means that no result is given.
        beside: further files in the result's folder, by name.
        exit_code: of the container's entry point.
    """

    document: bytes | None
    beside: Mapping[str, bytes] = field(default_factory=dict)
    exit_code: int = 0


def _graded(circumstances: Circumstances) -> Delivery | None:
    return None


def _any_exercise(options: Mapping[str, Any]) -> str:
    return ""


@dataclass(frozen=True, kw_only=True)
class Platform:
    """One platform.

    Attributes:
        budget_s: seconds from the start of our entry point after which we stop by ourselves; below
            the platform's own default, which would leave no result at all.
        options: every option of the platform's section of grading.toml, with its default.
        render: turn a report into a result; pure. An internal error is rendered as not_judged.
        not_judged: the result of an error of ours, made without a report.
        validate: name everything in a result that breaks the platform's rules: the document, then
            the files beside it.
        refuse: a result given without grading, such as over a limit of attempts; None to grade.
        exercise: the one that the platform itself names; "" where it names none.
        log_is_staffs: students never see what is printed, so that the log may hold everything.
        sorry: printed after an error of ours, where the exit code tells of it.
    """

    name: str
    title: str
    places: Places
    budget_s: float
    options: Mapping[str, Any] = field(default_factory=dict)
    render: "Callable[[Report, Circumstances], Delivery]"
    not_judged: Callable[[Circumstances], Delivery]
    validate: Callable[[bytes, Mapping[str, bytes]], list[str]]
    refuse: Callable[[Circumstances], Delivery | None] = _graded
    exercise: Callable[[Mapping[str, Any]], str] = _any_exercise
    log_is_staffs: bool = False
    sorry: str = SORRY

    def circumstances(
        self, options: Mapping[str, Any] | None = None, metadata: Mapping[str, Any] | None = None
    ) -> Circumstances:
        """Return circumstances with every option present."""
        return Circumstances(options={**self.options, **(options or {})}, metadata=metadata or {})
