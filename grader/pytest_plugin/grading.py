"""Grade once for all processes of a pytest run.

A conftest.py, another plugin or a test under pytest runs in pytest's process; the answers of an
exercise never enter it. The first process that needs the report makes it, the others wait.
"""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from grader import apart
from grader.apart import NotGraded

if TYPE_CHECKING:
    from grader.model import Report

_REPORT, _PROBLEM, _LOCK = "report.json", "problem.txt", "lock"


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
        from grader.report.document import to_json

        try:
            report = apart.grade(self._arguments)
        except NotGraded as error:
            (self._folder / _PROBLEM).write_text(str(error), encoding="utf-8")
        else:
            (self._folder / _REPORT).write_bytes(to_json(report))

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
