"""Hold a worker that a template forked: by its pidfd, and by what the template tells of it."""

import json
import os
import select
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from grader.errors import SandboxError

_LARGEST_STATUS = 4096
_TO_FORK_S = 10.0
"""Seconds that a template gets to fork, when a worker is given up before it was seen."""


class ForkedProcess:
    """A child of a template; see grader.sandbox.process.Process."""

    def __init__(self, status: socket.socket) -> None:
        self._status = status
        self._pidfd: int | None = None
        self._ended: int | None = None
        self.inner_pid = 0
        """What the worker is called in its own pid namespace; 0 until the template said so."""
        self.cpu_s = 0.0

    def pids(self) -> Sequence[int]:
        """The worker, as this process calls it; nothing while it is not known, or has ended."""
        with suppress(SandboxError):
            self._listen(0.0)
        if self._pidfd is None or self._ended is not None:
            return ()
        lines = Path(f"/proc/self/fdinfo/{self._pidfd}").read_text().splitlines()
        pid = next(int(line.split()[1]) for line in lines if line.startswith("Pid:"))
        return (pid,) if pid > 0 else ()

    def wait(self, seconds: float) -> int:
        """Wait for the worker's end; see Process."""
        while self._ended is None:
            if not self._listen(seconds):
                raise TimeoutError
        return self._ended

    def kill(self) -> None:
        """Kill the worker and wait until the template has seen it end; once is enough."""
        with suppress(SandboxError):
            if self._pidfd is None:
                self._listen(_TO_FORK_S)
            if self._pidfd is not None and self._ended is None:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
                while self._ended is None and self._listen(_TO_FORK_S):
                    pass
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
        self._status.close()

    def _listen(self, seconds: float) -> bool:
        """Take one word of the template; return whether there was one in time.

        Raises:
            SandboxError: the template is gone.
        """
        if self._ended is not None or self._status.fileno() < 0:
            return False
        if not can_be_read(self._status, seconds):
            return False
        try:
            text, descriptors, _, _ = socket.recv_fds(self._status, _LARGEST_STATUS, 1)
        except ConnectionResetError:
            text, descriptors = b"", []
        if not text:
            raise SandboxError("the template of the workers ended")
        told = json.loads(text)
        if descriptors:
            (self._pidfd,) = descriptors
            self.inner_pid = told["pid"]
        else:
            self._ended = os.waitstatus_to_exitcode(told["status"])
            self.cpu_s = told["cpu_s"]
        return True


def can_be_read(from_: socket.socket, seconds: float) -> bool:
    """Wait until there is something to read; by poll, which takes descriptors above 1,023."""
    poll = select.poll()
    poll.register(from_, select.POLLIN)
    return bool(poll.poll(1000 * seconds))
