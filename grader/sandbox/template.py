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
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from grader.errors import SandboxError
from grader.sandbox.forked import ForkedProcess
from grader.sandbox.launch import Launch
from grader.sandbox.log import Log, new_log
from grader.sandbox.pipes import Pipes
from grader.sandbox.process import start


class Forker:
    """What forks workers at the other end of a socket.

    Attributes:
        layers: what stands around it and its forks besides their own lock-down.
    """

    def __init__(self, control: socket.socket, log: Log, layers: Sequence[str]) -> None:
        self.layers = tuple(layers)
        self._control, self._log = control, log

    def fork(self, limits: Mapping[str, int | None]) -> Pipes:
        """Have a worker forked; return the way to it at once.

        Args:
            limits: fields of the worker's Limits.

        Raises:
            SandboxError: the template is gone.
        """
        requests, replies = os.pipe(), os.pipe()
        log = new_log()
        theirs = [requests[0], replies[1], log.fileno()]
        try:
            process = self.ask({"limits": limits}, theirs)
        except SandboxError:
            for descriptor in (requests[1], replies[0]):
                os.close(descriptor)
            log.close()
            raise
        finally:
            for descriptor in (requests[0], replies[1]):
                os.close(descriptor)
        return Pipes(process, requests[1], replies[0], log)

    def log(self) -> str:
        """Return the end of what it printed: our own code's words, not a submission's."""
        return self._log.end(2000).decode("utf-8", "replace")

    def close(self) -> None:
        """Hang up: it ends, and the kernel ends its workers."""
        self._control.close()
        self._log.close()

    def ask(self, request: Mapping[str, Any], theirs: Sequence[int]) -> ForkedProcess:
        """Send a request for a fork with its descriptors, which the caller closes here.

        Raises:
            SandboxError: the template is gone.
        """
        ours, status = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with status:
            try:
                descriptors = [*theirs, status.fileno()]
                socket.send_fds(self._control, [json.dumps(request).encode()], descriptors)
            except OSError as error:
                ours.close()
                raise SandboxError(f"the template of the workers ended: {self.log()}") from error
        return ForkedProcess(ours)


class Template(Forker):
    """One template process.

    Args:
        launch: how to start it.

    Raises:
        SandboxError: it could not be started.
    """

    def __init__(self, launch: Launch) -> None:
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                command, environment = launch.command, launch.environment
                started = start(command, environment, user=launch.user, stdin=theirs.fileno())
            except SandboxError:
                control.close()
                raise
        super().__init__(control, started.log, launch.layers)
        self._process = started.process

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

    def close(self) -> None:
        """End it; the kernel ends its workers."""
        self._control.close()
        self._process.kill()
        self._log.close()
