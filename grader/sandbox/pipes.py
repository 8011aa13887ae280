"""Carry frames to and from a worker process, under deadlines that only the judge keeps."""

import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from grader.errors import (
    InternalError,
    MemoryLimitExceeded,
    OutputLimitExceeded,
    ProtocolError,
    RunError,
    SandboxError,
    SubmissionError,
    TimeLimitExceeded,
)
from grader.sandbox.worker import wire

LOG_BYTES = 1 << 20
MEMORY_BYTES = 2 << 30
"""Resident memory of a worker. RLIMIT_DATA is the first belt, but memory that was filled and then
made read-only leaves that count; 60 new shapes of honest work reach 1.5 GiB."""
MOST_THREADS = 512
"""JAX starts about twenty. RLIMIT_NPROC is the first belt, but it does not bind root."""
_LOOK_EVERY_S = 0.1
_SHOWN_LOG = 4096
_OUT_OF_MEMORY = ("bad_alloc", "MemoryError", "Out of memory", "Unable to allocate")
_SIGNALS = {one.value: one.name for one in signal.Signals}
_TICK = os.sysconf("SC_CLK_TCK")


class WorkerProcess:
    """One confined process and the pipes to it.

    Args:
        command: what to start; the worker is it or its only child.
        environment: all variables that the process sees.
        user: uid and gid to run as, None for the caller's own.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], user: int | None = None
    ) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=dict(environment),
                cwd="/",
                start_new_session=True,
                bufsize=0,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        except OSError as error:
            self._log.close()
            raise SandboxError(f"cannot start {command[0]}: {error}") from error
        assert self._process.stdin is not None and self._process.stdout is not None
        self._requests = self._process.stdin.fileno()
        self._replies = self._process.stdout.fileno()
        os.set_blocking(self._requests, False)
        self.cpu_s, self.peak_memory_bytes, self._memory_bytes, self._threads = 0.0, 0, 0, 0

    def send(self, message: wire.Message, deadline: float) -> None:
        """Send a frame before a deadline on the monotonic clock.

        Raises:
            SubmissionError: the worker does not read, or is gone.
        """
        data = memoryview(wire.pack(message, limit=64 << 20))
        while data:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([], [self._requests], [], left)[1]:
                raise TimeLimitExceeded("It did not read its input in time.")
            try:
                data = data[os.write(self._requests, data) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise self._ended() from None

    def receive(self, deadline: float) -> wire.Message:
        """Receive a frame before a deadline on the monotonic clock.

        Raises:
            SubmissionError: no valid frame arrived.
        """
        try:
            return wire.read(lambda size: self._read_exactly(size, deadline))
        except wire.TooLarge as error:
            raise OutputLimitExceeded(f"It answered with more than 1 MiB ({error}).") from None
        except wire.WireError as error:
            raise ProtocolError(f"It wrote bytes that are no answer ({error}).") from None

    def log(self) -> str:
        """Return the last 4 KiB of what the process printed: hostile text."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _SHOWN_LOG))
        return self._log.read(_SHOWN_LOG).decode("utf-8", "replace")

    @property
    def log_is_full(self) -> bool:
        """Whether printing reached its limit."""
        return self._log.seek(0, os.SEEK_END) >= LOG_BYTES

    def measure(self) -> None:
        """Update what the process uses, from the kernel's own accounting."""
        cpu_s = 0.0
        for pid in self._processes():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            cpu_s += (int(fields[11]) + int(fields[12])) / _TICK
            peak, resident = (_kibibytes(status, name) for name in ("VmHWM:", "VmRSS:"))
            self.peak_memory_bytes = max(self.peak_memory_bytes, peak)
            self._memory_bytes = max(self._memory_bytes, resident)
            self._threads = max(self._threads, int(fields[17]))
        self.cpu_s = max(self.cpu_s, cpu_s)

    def close(self) -> None:
        """Kill the process and everything in it, and free the pipes."""
        self.measure()
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            assert stream is not None
            stream.close()

    def _processes(self) -> list[int]:
        """The process started and all below it: bubblewrap's grandchild is the worker."""
        found = [self._process.pid]
        for pid in found:
            with suppress(OSError):
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
                found.extend(map(int, children.split()))
        return found

    def _read_exactly(self, size: int, deadline: float) -> bytes:
        parts = []
        while size:
            self._wait(deadline)
            part = os.read(self._replies, min(size, 1 << 16))
            if not part:
                raise self._ended()
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _wait(self, deadline: float) -> None:
        """Wait for bytes, looking at what the process uses while it makes us wait."""
        while True:
            left = deadline - time.monotonic()
            if select.select([self._replies], [], [], max(0.0, min(left, _LOOK_EVERY_S)))[0]:
                return
            if left <= _LOOK_EVERY_S:
                raise TimeLimitExceeded("It did not answer in time.")
            self.measure()
            if self._memory_bytes > MEMORY_BYTES:
                raise MemoryLimitExceeded("It used more memory than it may (2 GiB).")
            if self._threads > MOST_THREADS:
                raise MemoryLimitExceeded(f"It started more than {MOST_THREADS} threads.")

    def _ended(self) -> SubmissionError | InternalError:
        """Say how the process ended."""
        try:
            code = self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            return ProtocolError("It closed its connection to the judge.")
        number = -code if code < 0 else code - 128  # bubblewrap reports 128 + signal
        name = _SIGNALS.get(number)
        if name is None:
            return RunError(f"It ended its own process (exit code {code}).")
        if name == "SIGXCPU":
            return TimeLimitExceeded("It used up its processor time.")
        if any(sign in self.log() for sign in _OUT_OF_MEMORY):
            return MemoryLimitExceeded("It used more memory than it may (2 GiB).")
        return RunError(f"It crashed its process ({name}).")


def _kibibytes(status: str, name: str) -> int:
    """Read one size of /proc/PID/status, in bytes; 0 for a process without memory."""
    words = status.partition(name)[2].split(maxsplit=1)
    return int(words[0]) << 10 if words else 0
