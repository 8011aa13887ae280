"""Start processes that run variants of the reference: they are ours and need no wall."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

import grader
from grader.model import Deadlines
from grader.runtime import compile_cache, variables
from grader.sandbox.pipes import WorkerProcess
from grader.sandbox.session import Session

_PATIENCE = 12
"""Times what a submission may take: nobody waits for a variant. One that compiles in each of its
calls, under XLA's own flags and on a busy machine, took 5 s a call, and 300 s for 60 cases."""


class Trusted:
    """A Sandbox without walls. It is no launcher: nothing lets a user choose it.

    Args:
        folder: the grader's cache folder; compiled variants are kept apart from what workers read.
        settings: environment variables that differ from the worker's own.
    """

    name = "trusted"

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self._cache = compile_cache(folder / "variants")
        self._settings = settings

    def problem(self) -> str | None:
        """Nothing can be missing."""
        return None

    def close(self) -> None:
        """Keep nothing running: each process ends with its context."""

    @contextmanager
    def open(self, deadlines: Deadlines) -> Iterator[Session]:
        """Start a process; leaving the context kills it.

        Raises:
            SandboxError: it did not start.
        """
        self._cache.mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": str(Path(grader.__file__).parent.parent),
            **variables(self._cache, writable=True),
            **self._settings,
        }
        command = [sys.executable, "-P", "-m", "grader.authoring.trusted_process"]
        process = WorkerProcess(command, environment)
        try:
            yield Session(process, [], _patient(deadlines))
        finally:
            process.close()


def _patient(deadlines: Deadlines) -> Deadlines:
    return msgspec.structs.replace(
        deadlines,
        first_s=_PATIENCE * deadlines.first_s,
        repeat_s=_PATIENCE * deadlines.repeat_s,
        total_s=_PATIENCE * deadlines.total_s,
    )
