"""Share what all commands have: options, exit codes, one line for each of our errors."""

import errno
import logging
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.errors import GraderError, UsageError
from grader.report.format import Format
from grader.standard_streams import STDOUT, lead_nowhere

if TYPE_CHECKING:
    from grader.model import Exercise, Report, Shown
    from grader.trial import Progress

ACCEPTED, NOT_ACCEPTED, USAGE, INTERNAL = 0, 1, 2, 3
NOBODY_READS = 141
"""What a shell says of a command that a closed pipe ended: 128 + SIGPIPE. Never 1: not accepted."""
_NOT_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


class SandboxName(StrEnum):
    """Walls to choose from; auto takes the best that works here."""

    auto = "auto"
    docker_runsc = "docker+runsc"
    docker = "docker"
    bubblewrap = "bubblewrap"
    confined = "confined"


class WorkersName(StrEnum):
    """How workers start."""

    auto = "auto"
    fork = "fork"
    cold = "cold"
    fresh = "fresh"


class ViewName(StrEnum):
    """For whom a report is made."""

    staff = "staff"
    student = "student"


class FeedbackName(StrEnum):
    """How much a student sees; each holds what those below it hold."""

    full = "full"
    counterexample = "counterexample"
    category = "category"
    score = "score"


def _text_or_json(format: Format) -> Format:
    if format not in (Format.text, Format.json):
        raise typer.BadParameter(f"takes text or json, not {format.value}")
    return format


SandboxOption = Annotated[SandboxName, typer.Option("--sandbox", help="The wall.")]
WorkersOption = Annotated[
    WorkersName,
    typer.Option(
        "--workers",
        help="Fork workers from a template (cold: before it compiles), or start each fresh; "
        "auto forks where that saves time.",
    ),
]
FormatOption = Annotated[
    Format,
    typer.Option(
        "--format", metavar="[text|json]", callback=_text_or_json, help="Form of the answer."
    ),
]
ReportFormatOption = Annotated[Format, typer.Option("--format", help="Form of the report.")]
ViewOption = Annotated[
    ViewName | None,
    typer.Option("--view", help="For whom: staff (default) sees all, a student no hidden case."),
]
FeedbackOption = Annotated[
    FeedbackName | None,
    typer.Option(
        "--feedback",
        help="How much a student sees, full when not given; "
        "below full the document is a student's, else --view student makes it one.",
    ),
]
StudentsFeedbackOption = Annotated[
    FeedbackName | None,
    typer.Option("--feedback", help="How much the students' reports show, full when not given."),
]
HtmlOption = Annotated[
    Path | None, typer.Option("--html", help="Also write the report as a page to this file.")
]
JunitOption = Annotated[
    Path | None, typer.Option("--junit", help="Also write the report as JUnit XML to this file.")
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write the report to this file.")
]
MOST_CASES = 2_000  # at 0.06 CPU s a call on a slow machine less than half of a submission's 300

CasesOption = Annotated[
    int | None, typer.Option("--cases", min=1, max=MOST_CASES, help="Number of cases in a suite.")
]
ExerciseArgument = Annotated[
    str | None, typer.Argument(help="Name of the exercise, or the path of its folder.")
]


def load_exercise(name: str | None) -> "Exercise":
    """Load an exercise by name or path, the default one when none is named."""
    import reference

    return reference.load(name or reference.DEFAULT)


def exercise_folder(name: str) -> Path | None:
    """Return the folder that an exercise is loaded from, None where there is none."""
    import reference

    if os.sep in name:
        return Path(name) if os.path.isdir(name) else None
    return Path(reference.__path__[0]) / name if name in reference.names() else None


def shown(view: ViewName | None, feedback: FeedbackName | None) -> "Shown":
    """Return how much of a report is to be shown; less than full feedback is for a student.

    Raises:
        UsageError: the staff's view is asked for with less than full feedback.
    """
    from grader.model import Shown

    wanted = feedback or FeedbackName.full
    less = wanted is not FeedbackName.full
    if view is ViewName.staff and less:
        raise UsageError(
            f"--view staff sees everything and takes no --feedback {wanted.value}; "
            "use --view student, or leave --feedback out"
        )
    chosen = view or (ViewName.student if less else ViewName.staff)
    return Shown(view=chosen.value, feedback=wanted.value)


def as_shown(report: "Report", wanted: "Shown") -> "Report":
    """Return the report, or the document that a student may see."""
    if wanted.view == "staff":
        return report
    from grader.report.views import for_student

    return for_student(report, wanted.feedback)


def checked_seed(seed: str | None) -> str | None:
    """Return a seed in its one canonical form."""
    if seed is None:
        return None
    try:
        number = int(seed, 16)
    except ValueError:
        number = -1
    if number < 0:
        raise UsageError(f"--seed takes a hexadecimal number, 0 or more, not {seed!r}")
    return f"{number:016x}"


@contextmanager
def progress_bar(what: str) -> Iterator["Progress"]:
    """Show a bar on standard error when it is a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeLeft())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Turn our own errors into one line and an exit code: 2 for the caller's, 3 for ours."""
    try:
        yield
    except UsageError as error:
        typer.echo(f"grader: {error}", err=True)
        raise typer.Exit(USAGE) from None
    except GraderError as error:
        typer.echo(f"grader: internal error: {error}", err=True)
        raise typer.Exit(INTERNAL) from None
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:  # Python's own exit code 1 would say "not accepted"
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            lead_nowhere(STDOUT)
            raise typer.Exit(NOBODY_READS) from None
        if isinstance(error, OSError) and error.errno in _NOT_WRITTEN and _takes_no_more():
            lead_nowhere(STDOUT)
            typer.echo(f"grader: cannot write standard output: {error.strerror}", err=True)
            raise typer.Exit(USAGE) from None
        logging.getLogger("grader").exception("please report this")
        typer.echo(f"grader: internal error: {type(error).__name__}: {error}", err=True)
        raise typer.Exit(INTERNAL) from None


def _nobody_reads() -> bool:
    """Return whether standard output is a pipe that was closed; a worker's pipe may break, too."""
    poll = select.poll()
    poll.register(STDOUT, 0)
    return bool(poll.poll(0))


def _takes_no_more() -> bool:
    """Return whether standard output takes no more: only trying once more tells, by a line's end.

    Python may hold back what was not written, or not (PYTHONUNBUFFERED).
    """
    try:
        os.write(STDOUT, b"\n")
    except OSError:
        return True
    return False
