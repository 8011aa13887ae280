"""Start a worker that has only its own lock-down around it: no namespaces, no privilege needed.

For the inside of a grading container, where namespaces are refused. When the judge is root the
worker runs as nobody, provided that nobody can read this Python.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from grader.model import Deadlines
from grader.sandbox.kernel import lockdown_problem
from grader.sandbox.pipes import WorkerProcess
from grader.sandbox.session import Session
from grader.sandbox.setup import NOBODY, Setup, interpreter


class Confined:
    """The launcher `confined`."""

    name = "confined"

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._user = NOBODY if os.getuid() == 0 and readable_by(NOBODY) else None

    def problem(self) -> str | None:
        """Say which part of the lock-down this kernel lacks; None when it has all."""
        return lockdown_problem()

    @contextmanager
    def open(self, deadlines: Deadlines) -> Iterator[Session]:
        """Start a worker; leaving the context kills it.

        Raises:
            SandboxError: it did not start, or could not lock itself down.
        """
        process = WorkerProcess(self._setup.command(), self._setup.environment, self._user)
        layers = ["confined", *([] if self._user is None else [f"uid {self._user}"])]
        try:
            yield Session(process, layers, deadlines)
        finally:
            process.close()


def readable_by(user: int) -> bool:
    """Whether another uid can run this Python: one below /root is closed to it."""
    try:
        found = subprocess.run(
            [str(interpreter()), "-I", "-S", "-c", ""],
            user=user,
            group=user,
            extra_groups=[],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=20,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return found.returncode == 0
