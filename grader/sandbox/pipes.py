"""Start a worker as a process and carry bytes through its pipes."""

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from grader.errors import SandboxError
from grader.sandbox.connection import SHOWN_LOG_BYTES, Ending, Use

_TICK = os.sysconf("SC_CLK_TCK")


class WorkerProcess:
    """One confined process and the pipes to it; see connection.Channel.

    Args:
        command: what to start; the worker is it or its only child.
        environment: all variables that the process sees.
        user: uid and gid to run as, None for the caller's own.
    """

    look_every_s = 0.1  # the memory watch is a limit here: see connection.MEMORY_BYTES

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
        self.requests = self._process.stdin.fileno()
        self.replies = self._process.stdout.fileno()
        os.set_blocking(self.requests, False)
        os.set_blocking(self.replies, False)

    @property
    def printed_bytes(self) -> int:
        """Bytes of log so far; RLIMIT_FSIZE ends its growth."""
        return self._log.seek(0, os.SEEK_END)

    def write(self, data: memoryview) -> int:
        """Send some of the data."""
        try:
            return os.write(self.requests, data)
        except BlockingIOError:
            return 0

    def read(self, size: int) -> bytes | None:
        """Return what has arrived."""
        try:
            return os.read(self.replies, size)
        except BlockingIOError:
            return None

    def log(self) -> bytes:
        """Return the end of what the process printed."""
        self._log.seek(max(0, self.printed_bytes - SHOWN_LOG_BYTES))
        return self._log.read(SHOWN_LOG_BYTES)

    def use(self) -> Use:
        """Measure by the kernel's own accounting."""
        cpu_s, peak, resident, threads = 0.0, 0, 0, 0
        for pid in self._processes():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            cpu_s += (int(fields[11]) + int(fields[12])) / _TICK
            peak = max(peak, _kibibytes(status, "VmHWM:"))
            resident = max(resident, _kibibytes(status, "VmRSS:"))
            threads = max(threads, int(fields[17]))
        return Use(cpu_s, peak, resident, threads)

    def ending(self) -> Ending | None:
        """Say how the process ended."""
        try:
            code = self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            return None
        number = -code if code < 0 else code - 128  # bubblewrap reports 128 + signal
        return Ending(code, number if number > 0 else None)

    def close(self) -> None:
        """Kill the process and everything in it, and free the pipes."""
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


def _kibibytes(status: str, name: str) -> int:
    """Read one size of /proc/PID/status, in bytes; 0 for a process without memory."""
    words = status.partition(name)[2].split(maxsplit=1)
    return int(words[0]) << 10 if words else 0
