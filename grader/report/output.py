"""Put a report where it is wanted, in the form that is wanted."""

import errno
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile

from rich.console import Console

from grader.errors import UsageError
from grader.model import Report
from grader.report import document
from grader.report.format import Format
from grader.report.placing import is_written_through, place
from grader.report.printing import printing
from grader.report.terminal import show

_WIDTH_OF_A_FILE = 100


def write(report: Report, format: Format, target: Path | None, source: str | None = None) -> None:
    """Print a report, or write it to a file.

    Args:
        source: the submission's text, for the forms that quote it; None where it is not known.

    Raises:
        UsageError: the target cannot be written.
    """
    if format is Format.json:
        text = document.to_json(report).decode()
    elif format is Format.junit:
        from grader.report.junit import to_junit

        text = to_junit(report)
    elif format is Format.html:
        from grader.report import html  # a page and its drawings: of no use to the other forms

        text = html.render(report, source)
    else:
        text = as_text(lambda console: show(report, console), target)
    put(text, target)


def put(text: str, target: Path | None) -> None:
    """Print a text, or write it beside its target and rename it into place.

    Args:
        target: a file; None prints to standard output.

    Raises:
        UsageError: the target cannot be written.
        BrokenPipeError: nobody reads standard output.
    """
    if target is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal that has no check marks
        with printing():
            sys.stdout.write(text)
            sys.stdout.flush()
        return
    try:
        place(target, text.encode())
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}") from error


def refuse_unwritable(*targets: Path | None) -> None:
    """Refuse a file that put could not write, before minutes are spent on what goes into it.

    Raises:
        UsageError: a target is a folder, lies in none, or may not be written.
    """
    for target in targets:
        if target is None:
            continue
        try:
            if target.is_dir():
                raise UsageError(f"cannot write {target}: it is a folder; name a file")
            if not target.parent.is_dir():
                raise UsageError(f"cannot write {target}: there is no folder {target.parent}")
            _try_to_open(target)
        except OSError as error:
            raise UsageError(f"cannot write {target}: {error.strerror}") from error


def _try_to_open(target: Path) -> None:
    if is_written_through(target):
        if not os.access(target, os.W_OK):  # opened, a pipe would wait for who reads it
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    else:
        with NamedTemporaryFile(dir=target.parent, prefix="."):
            pass


def sync(folder: Path) -> None:
    """Wait until the names of a folder's files are on disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def as_text(draw: Callable[[Console], None], target: Path | None) -> str:
    """Return what is drawn on a console: in colour where it goes to a terminal."""
    colour = target is None and sys.stdout.isatty()
    width = None if colour else _WIDTH_OF_A_FILE
    console = Console(file=io.StringIO(), force_terminal=colour, width=width, highlight=False)
    with console.capture() as captured:
        draw(console)
    return captured.get()
