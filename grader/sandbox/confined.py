"""Start a worker that has only its own lock-down around it: no namespaces, no privilege needed.

For the inside of a grading container, where namespaces are refused. When the judge is root the
worker runs as nobody, provided that nobody can read this Python.
"""

import os
import subprocess
from contextlib import AbstractContextManager

from grader.model import Deadlines
from grader.sandbox.kernel import lockdown_problem
from grader.sandbox.launch import Launch, open_fresh
from grader.sandbox.packages import packages
from grader.sandbox.session import Session
from grader.sandbox.setup import NOBODY, WORKER_FOLDER, Setup, interpreter


class Confined:
    """The launcher `confined`."""

    name = "confined"

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._user = worker_user()

    def problem(self) -> str | None:
        """Say which part of the lock-down this kernel lacks; None when it has all."""
        return lockdown_problem()

    def open(self, deadlines: Deadlines) -> AbstractContextManager[Session]:
        """Start a worker; leaving the context kills it.

        Raises:
            SandboxError: it did not start, or could not lock itself down.
        """
        return open_fresh(self.launch(), deadlines)

    def launch(self, *, template: str = "") -> Launch:
        """Return how to start a worker, or a template of workers."""
        user = () if self._user is None else (f"uid {self._user}",)
        return Launch(
            self._setup.command(template=template),
            self._setup.environment,
            user=self._user,
            layers=("confined", *user),
        )

    def close(self) -> None:
        """Keep nothing running: each worker ends with its context."""


def worker_user() -> int | None:
    """Return the uid that workers run as here, None for the judge's own."""
    return NOBODY if os.getuid() == 0 and readable_by(NOBODY) else None


def readable_by(user: int) -> bool:
    """Whether another uid can run this Python, and read the worker's code and its packages.

    What lies below /root is closed to it.
    """
    paths = (str(WORKER_FOLDER / "boot.py"), *packages().values())
    look = "import os, sys; sys.exit(not all(os.access(p, os.R_OK) for p in sys.argv[1:]))"
    try:
        found = subprocess.run(
            [str(interpreter()), "-I", "-S", "-c", look, *paths],
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
