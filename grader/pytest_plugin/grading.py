"""Grade once for all processes of a pytest run, in a process apart from theirs.

A conftest.py, another plugin or a test under pytest runs in pytest's process; the answers of an
exercise never enter it. The first process that needs the report makes it, the others wait.
"""

import fcntl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from grader.text import printable

if TYPE_CHECKING:
    from grader.model import Report

_GRADE = (sys.executable, "-P", "-m", "grader.cli", "grade")
"""-P: the current folder may be the student's, and may hold a json.py."""

_REPORT, _PROBLEM, _LOCK = "report.json", "problem.txt", "lock"
_JUDGED = (0, 1)
"""Exit codes of `grader grade` that tell of a verdict about the submission."""

_PROBLEM_LIMIT = 2_000


class NotGraded(Exception):
    """There is no verdict, through no fault of the student's; the text says why."""


class Grading:
    """One grading.

    Args:
        arguments: of `grader grade`, less those that say where the report goes.
        folder: shared by every process of the run, and by nobody else.
    """

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self._arguments, self._folder = list(arguments), folder
        self._known: Report | None = None

    def report(self) -> "Report":
        """Return the report, grading when nobody has yet.

        Raises:
            NotGraded: the grader failed.
        """
        if self._known is None:
            with _alone(self._folder / _LOCK):
                if not self._done():
                    self._grade()
            self._known = self._read()
        return self._known

    def report_if_made(self) -> "Report | None":
        """Return the report if some process made one; grade nothing."""
        return self._read() if (self._folder / _REPORT).exists() else None

    def _done(self) -> bool:
        return any((self._folder / name).exists() for name in (_REPORT, _PROBLEM))

    def _grade(self) -> None:
        made = self._folder / "made.json"
        command = [*_GRADE, *self._arguments, "--format", "json", "--output", str(made)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if done.returncode in _JUDGED and made.exists():
            made.replace(self._folder / _REPORT)
            return
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        last = said[-1] if said else "it said nothing"
        ended = printable(f"exit code {done.returncode}: {last}", _PROBLEM_LIMIT)
        text = f"Not graded: the grader failed ({ended}). This is not the student's fault."
        (self._folder / _PROBLEM).write_text(text, encoding="utf-8")

    def _read(self) -> "Report":
        from grader.report.document import from_json

        problem = self._folder / _PROBLEM
        if problem.exists():
            raise NotGraded(problem.read_text(encoding="utf-8"))
        return from_json((self._folder / _REPORT).read_bytes())


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait until no other process holds the lock; the kernel frees that of a killed one."""
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
