"""What carries bytes to and from one worker, and what it tells of it.

A Channel is the pipes of a process, or the socket of a container. The limits are the same for all;
some are the kernel's to hold, the others the channel's.
"""

import signal
from typing import NamedTuple, Protocol

from grader.errors import MemoryLimitExceeded, OutputLimitExceeded

LOG_BYTES = 1 << 20
"""What a worker may print."""
SHOWN_LOG_BYTES = 4096
MEMORY_BYTES = 7 << 28
"""Resident memory of a worker: 1.75 GiB, so that a batch which grades one with nothing beside it
stays below 2. RLIMIT_DATA is the first belt, but memory that was filled and then made read-only
leaves that count; 60 new shapes of honest work reach 1.5 GiB."""
MOST_THREADS = 512
"""JAX starts about twenty. RLIMIT_NPROC is the first belt, but it does not bind root."""
_SIGNALS = {one.value: one.name for one in signal.Signals}


class Use(NamedTuple):
    """What a worker used up to now; 0 where its channel cannot tell.

    Attributes:
        cpu_s: processor seconds of all threads.
        peak_memory_bytes: largest resident set.
        memory_bytes: resident set now.
        threads: threads now.
        is_runnable: whether it computes, or would if a processor were free.
    """

    cpu_s: float = 0.0
    peak_memory_bytes: int = 0
    memory_bytes: int = 0
    threads: int = 0
    is_runnable: bool = False

    def after(self, earlier: "Use") -> "Use":
        """Return this one; its processor time and its peak are no less than they were before."""
        return self._replace(
            cpu_s=max(self.cpu_s, earlier.cpu_s),
            peak_memory_bytes=max(self.peak_memory_bytes, earlier.peak_memory_bytes),
        )


class Ending(NamedTuple):
    """How a worker ended.

    Attributes:
        exit_code: what a shell would tell: 128 + n for signal n. bubblewrap and Docker tell no
            more, so that a worker which ends with such a code of its own counts as ended by the
            signal, behind every wall.
    """

    exit_code: int
    out_of_memory: bool = False

    @property
    def signal(self) -> str | None:
        """The name of the signal that ended it, None for another exit code."""
        return _SIGNALS.get(self.exit_code - 128)


class Channel(Protocol):
    """What carries bytes to and from one started worker. Neither end ever blocks.

    Attributes:
        requests: descriptor to wait on before writing.
        replies: descriptor to wait on before reading.
        look_every_s: how often asking for its use is worth the cost.
        printed_bytes: how much the worker printed so far.
    """

    requests: int
    replies: int
    look_every_s: float

    @property
    def printed_bytes(self) -> int:
        """Bytes of log so far."""

    def watch(self) -> None:
        """Hold from now on the limits that no kernel holds.

        Raises:
            SandboxError: they cannot be held here.
        """

    def write(self, data: memoryview) -> int:
        """Send some of the data; return how many bytes, 0 when none can be sent now.

        Raises:
            BrokenPipeError: the worker is gone.
        """

    def read(self, size: int) -> bytes | None:
        """Return up to size bytes of replies, None when there are none now, b"" at the end."""

    def use(self) -> Use:
        """Measure what the worker used."""

    def log(self) -> bytes:
        """Return the last SHOWN_LOG_BYTES that the worker printed: hostile text."""

    def ending(self) -> Ending | None:
        """Say how the worker ended; None when it still runs after two seconds.

        Raises:
            SandboxError: something of ours ended it.
            SubmissionError: a limit that the channel holds ended it.
        """

    def close(self) -> None:
        """End the worker and everything in it, and free what the channel holds."""


def too_much_memory() -> MemoryLimitExceeded:
    """Return the verdict over a worker with more than MEMORY_BYTES."""
    return MemoryLimitExceeded("It used more memory than it may (1.75 GiB).")


def too_many_threads() -> MemoryLimitExceeded:
    """Return the verdict over a worker with more than MOST_THREADS threads."""
    return MemoryLimitExceeded(f"It started more than {MOST_THREADS} threads.")


def printed_too_much() -> OutputLimitExceeded:
    """Return the verdict over a worker that printed LOG_BYTES and went on."""
    return OutputLimitExceeded(
        "It printed more than 1 MiB, in all its calls together.", printed=True
    )
