"""Start a template behind a wall, and have it fork a worker for each submission.

    judge --socket--> template (libraries imported, no secret)
      |                  | fork
      +--fresh pipes--> worker (locked down before it reads its source)

The judge makes the pipes and sends the template its ends of them. It kills and measures a worker by
a pidfd that the template returns, which works across pid namespaces; how a worker ended comes over
a status socket of its own. The template ends when its socket does, so with the judge.
"""

import json
import os
import select
import signal
import socket
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from grader.errors import SandboxError
from grader.sandbox.launch import Launch
from grader.sandbox.pipes import Pipes
from grader.sandbox.process import start

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
        """Kill the worker and wait until the template has seen it end."""
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
        self._status.close()

    def _listen(self, seconds: float) -> bool:
        """Take one word of the template; return whether there was one in time.

        Raises:
            SandboxError: the template is gone.
        """
        if self._ended is not None or not select.select([self._status], [], [], seconds)[0]:
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


class Template:
    """One template process.

    Attributes:
        layers: what stands around it and its forks besides their own lock-down.

    Args:
        launch: how to start it.

    Raises:
        SandboxError: it could not be started.
    """

    def __init__(self, launch: Launch) -> None:
        self.layers = launch.layers
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        with theirs:
            try:
                command, environment = launch.command, launch.environment
                started = start(command, environment, user=launch.user, stdin=theirs.fileno())
            except SandboxError:
                self._control.close()
                raise
        self._process, self._log = started.process, started.log

    @property
    def is_alive(self) -> bool:
        """Whether it can fork."""
        try:
            self._process.wait(0.0)
        except TimeoutError:
            return True
        return False

    def rehearse(self, step: Mapping[str, Any]) -> None:
        """Have something compiled, which every later fork then has.

        Raises:
            SandboxError: the template is gone.
        """
        try:
            self._control.send(json.dumps(step).encode())
        except OSError as error:
            raise SandboxError(f"the template of the workers ended: {self.log()}") from error

    def fork(self, limits: Mapping[str, int]) -> Pipes:
        """Have a worker forked; return the way to it at once.

        Args:
            limits: fields of the worker's Limits.

        Raises:
            SandboxError: the template is gone.
        """
        requests, replies, status = os.pipe(), os.pipe(), _status_sockets()
        log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by Pipes
        theirs = [requests[0], replies[1], log.fileno(), status[1].fileno()]
        try:
            asked = json.dumps({"limits": limits}).encode()
            socket.send_fds(self._control, [asked], theirs)
        except OSError as error:
            for descriptor in (requests[1], replies[0]):
                os.close(descriptor)
            status[0].close()
            log.close()
            raise SandboxError(f"the template of the workers ended: {self.log()}") from error
        finally:
            for descriptor in (requests[0], replies[1]):
                os.close(descriptor)
            status[1].close()
        return Pipes(ForkedProcess(status[0]), requests[1], replies[0], log)

    def log(self) -> str:
        """Return the end of what it printed: our own code's words, not a submission's."""
        with self._lock:
            size = self._log.seek(0, os.SEEK_END)
            self._log.seek(max(0, size - 2000))
            return self._log.read().decode("utf-8", "replace")

    def close(self) -> None:
        """End it; the kernel ends its workers."""
        self._control.close()
        self._process.kill()
        self._log.close()


def _status_sockets() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
