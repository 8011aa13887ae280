"""Start a worker on this machine as a process of its own."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from grader.model import Deadlines
from grader.sandbox.pipes import WorkerProcess
from grader.sandbox.session import Session


@dataclass(frozen=True)
class Launch:
    """How a launcher starts a process behind its wall.

    Attributes:
        environment: all variables that the process sees.
        user: uid and gid to run as, None for the caller's own.
        layers: what stands around the process besides its own lock-down.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    user: int | None = None
    layers: tuple[str, ...] = ()


@contextmanager
def open_fresh(launch: Launch, deadlines: Deadlines) -> Iterator[Session]:
    """Start a worker; leaving the context kills it.

    Raises:
        SandboxError: it did not start, or could not lock itself down.
    """
    pipes = WorkerProcess(launch.command, launch.environment, launch.user)
    try:
        yield Session(pipes, launch.layers, deadlines)
    finally:
        pipes.close()
