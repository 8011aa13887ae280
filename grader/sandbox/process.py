"""Hold a confined process from outside: who counts as it, how it ended, how to end it."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from grader.errors import SandboxError
from grader.sandbox.channel import Use
from grader.sandbox.log import Log, new_log

_TICK = os.sysconf("SC_CLK_TCK")


class Process(Protocol):
    """A process, however it was started."""

    def pids(self) -> Sequence[int]:
        """Every process whose use counts as its own; none once it has ended."""

    def wait(self, seconds: float) -> int:
        """Wait for its end; return its exit code, or minus the number of a signal.

        bubblewrap returns 128 + that number for the worker inside it.

        Raises:
            TimeoutError: it runs still.
            SandboxError: nobody can say how it ended.
        """

    def kill(self) -> None:
        """End it, with everything that it started, and wait until that is done."""


class Started(NamedTuple):
    """A process that was just started, the pipes to it, and where its printing goes."""

    process: "StartedProcess"
    requests: int
    replies: int
    log: Log


class StartedProcess:
    """A child of the judge; the worker is it, or its only child."""

    def __init__(self, started: "subprocess.Popen[bytes]") -> None:
        self._started = started

    def pids(self) -> Sequence[int]:
        """The process and all below it: bubblewrap's grandchild is the worker."""
        found = [self._started.pid]
        for pid in found:
            with suppress(OSError):
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
                found.extend(map(int, children.split()))
        return found

    def wait(self, seconds: float) -> int:
        """Wait for its end; see Process."""
        try:
            return self._started.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None

    def kill(self) -> None:
        """End it and wait; bubblewrap takes its namespaces along."""
        self._started.kill()
        self._started.wait()


def start(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    user: int | None = None,
    stdin: int | None = None,
) -> Started:
    """Start a process of its own session, with its printing in an unlinked file.

    Args:
        command: what to start.
        environment: all variables that the process sees.
        user: uid and gid to run as, None for the caller's own.
        stdin: what to give it in place of a pipe; its standard output then goes to the log too,
            and there are no pipes: both numbers are -1.

    Raises:
        SandboxError: it could not be started.
    """
    log = new_log()  # closed by whoever closes the pipes
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if stdin is None else stdin,
            stdout=subprocess.PIPE if stdin is None else log.fileno(),
            stderr=log.fileno(),
            env=dict(environment),
            cwd="/",
            start_new_session=True,
            bufsize=0,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
    except OSError as error:
        log.close()
        raise SandboxError(f"cannot start {command[0]}: {error}") from error
    ends = [-1 if end is None else os.dup(end.fileno()) for end in (process.stdin, process.stdout)]
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    return Started(StartedProcess(process), ends[0], ends[1], log)


def use(pids: Sequence[int]) -> Use:
    """Return what processes use together; the largest of their sizes and numbers of threads.

    A process chooses the name that stands in both files, any bytes but a line's end: it may look
    like a field, or be no text.
    """
    total = Use()
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            status = Path(f"/proc/{pid}/status").read_bytes()
        except OSError:
            continue
        total = Use(
            total.cpu_s + (int(fields[11]) + int(fields[12])) / _TICK,
            max(total.peak_memory_bytes, _kibibytes(status, b"VmHWM:")),
            max(total.memory_bytes, _kibibytes(status, b"VmRSS:")),
            max(total.threads, int(fields[17])),
            total.is_runnable or fields[0] == b"R",  # not D: a reader from disk can stay in it
        )
    return total


def _kibibytes(status: bytes, name: bytes) -> int:
    """Read one size of /proc/PID/status, in bytes; 0 for a process without memory."""
    words = status.partition(b"\n" + name)[2].split(maxsplit=1)
    return int(words[0]) << 10 if words else 0
