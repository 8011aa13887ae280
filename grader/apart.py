"""Grade in a process apart, by the command line: what breaks there breaks nothing here.

For whoever lives in a process that must not hold an exercise's answers, or must outlive a grading.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grader.text import printable

if TYPE_CHECKING:
    from grader.model import Report

_GRADE = (sys.executable, "-P", "-m", "grader.cli", "grade")
"""-P: the current folder may be the student's, and may hold a json.py."""

_JUDGED = (0, 1)
"""Exit codes of `grader grade` that tell of a verdict about the submission."""

_TEXT_LIMIT = 2_000


class NotGraded(Exception):
    """There is no verdict, through no fault of the student's; the text says why."""


def grade(arguments: Sequence[str], *, timeout_s: float | None = None) -> "Report":
    """Grade as `grader grade` does.

    Args:
        arguments: of the command, less those that say where the report goes.
        timeout_s: wall seconds after which the process is killed.

    Raises:
        NotGraded: the grader failed, was killed, or took too long.
    """
    from grader.errors import UsageError
    from grader.report.document import from_json

    with tempfile.TemporaryDirectory(prefix="grader-", ignore_cleanup_errors=True) as folder:
        target = Path(folder) / "report.json"
        command = [*_GRADE, *arguments, "--format", "json", "--output", str(target)]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=timeout_s,
                start_new_session=True,  # Ctrl-C is for whoever waits, and may let it end
            )
        except subprocess.TimeoutExpired:
            raise _not_graded(f"no report after {timeout_s:g} s") from None
        if done.returncode not in _JUDGED or not target.exists():
            raise _not_graded(f"exit code {done.returncode}: {_last_line(done.stderr)}")
        try:
            return from_json(target.read_bytes())
        except UsageError as error:
            raise _not_graded(str(error)) from None


def _not_graded(why: str) -> NotGraded:
    shown = printable(why, _TEXT_LIMIT)
    return NotGraded(f"Not graded: the grader failed ({shown}). This is not the student's fault.")


def _last_line(said: bytes) -> str:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
