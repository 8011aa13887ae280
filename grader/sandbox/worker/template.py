"""Be a template: import the libraries once, then fork a locked-down worker for each submission.

A template never reads a submission. Its one socket leads to the judge, which sends for each worker
the descriptors of fresh pipes, of a fresh log and of a status socket. Each fork closes all else and
locks itself down as a worker does that was started by itself, before it reads its source: it can
reach neither the template nor its siblings, and dies with the template.

    judge -> template    {"kind": ..., "settings": ..., "shape": ...}: a layer to rehearse
    judge -> template    {"limits": ...} with requests, replies, log, status
    judge -> template    {} with control, log, status: fork another template, for another judge
    template -> status   {"pid": ...} with a pidfd of the fork
    template -> status   {"status": ..., "cpu_s": ...} when the fork has ended

A template that was forked shares the memory of the first one, and ends with it. That memory is
every worker's: it holds nothing secret, only libraries.
"""

import fcntl
import gc
import json
import os
import select
import socket
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from . import lockdown
from .limits import Limits

PIPES = (3, 4)
"""Where a worker that was started by itself has them."""
_LARGEST_REQUEST = 1 << 16
_OUT_OF_THE_WAY = 128


class Fork(NamedTuple):
    """What a fork of the template is told: its pipes, and how it is confined."""

    requests: int
    replies: int
    layers: tuple[str, ...]


class Template:
    """The forks of one template, as it sees them.

    Args:
        control: the socket to the judge.
        confinement: the template's own.
    """

    def __init__(self, control: socket.socket, confinement: lockdown.Confinement) -> None:
        self._control, self._confinement = control, confinement
        self._has_rehearsed = self._is_settled = False
        self._forks: dict[int, tuple[int, socket.socket]] = {}
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def serve(self) -> Fork:
        """Fork a worker for each request; return in the forks only."""
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._forks:
                    self._tell_end(descriptor)
                    continue
                fork = self._answer()
                if fork is not None:
                    return fork
                break  # this process may be another one now, which has other descriptors

    def _answer(self) -> Fork | None:
        """Take one request; return what a worker is told, None in a template."""
        text, descriptors, _, _ = socket.recv_fds(self._control, _LARGEST_REQUEST, 8)
        if not text:
            os._exit(0)  # the judge is gone, and the kernel takes the forks along
        asked = json.loads(text)
        if not descriptors:
            self._rehearse(asked)
            return None
        *theirs, status = descriptors
        self._settle()
        pid = _fork()
        if pid == 0:
            self._let_go()
            if not asked:
                self._become_template(*theirs)
                return None
            requests, replies, log = theirs
            return self._become_worker(requests, replies, log, asked)
        for descriptor in theirs:
            os.close(descriptor)
        self._watch(pid, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, status))
        return None

    def _rehearse(self, step: Mapping[str, Any]) -> None:
        from . import rehearsal

        rehearsal.rehearse(**step)
        self._has_rehearsed, self._is_settled = True, False

    def _settle(self) -> None:
        """Before the first fork: free what no fork needs, keep the collector off shared pages."""
        if not self._is_settled:
            if self._has_rehearsed:
                from . import forgetting

                forgetting.forget_modules()
            gc.collect()
            gc.freeze()
            self._is_settled = True

    def _let_go(self) -> None:
        """In a fork: forget what leads back to the template and to its other forks."""
        # The lock-down closes them, and their numbers serve again: no finaliser may close them a
        # second time.
        for ours in (self._control, *(status for _, status in self._forks.values())):
            ours.detach()

    def _become_template(self, control: int, log: int) -> None:
        """Go on as a template of another judge."""
        os.dup2(log, 1)
        os.dup2(log, 2)
        lockdown.set_template_apart(keep_fds=(control,))
        theirs = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, control)
        self._control, self._forks, self._poll = theirs, {}, select.poll()
        self._poll.register(theirs, select.POLLIN)

    def _become_worker(
        self, requests: int, replies: int, log: int, asked: Mapping[str, Any]
    ) -> Fork:
        """Confine this fork as a worker, with its pipes where a worker has them."""
        os.dup2(log, 1)
        os.dup2(log, 2)
        far = [fcntl.fcntl(end, fcntl.F_DUPFD, _OUT_OF_THE_WAY) for end in (requests, replies)]
        for number, end in zip(PIPES, far, strict=True):
            os.dup2(end, number)
        confinement = lockdown.lock_down_fork(
            keep_fds=PIPES,
            limits=Limits(**asked["limits"]),
            inherited=self._confinement,
        )
        _seed_anew()
        return Fork(*PIPES, confinement.layers)

    def _watch(self, pid: int, status: socket.socket) -> None:
        """Hand a fork to the judge, which kills it by its pidfd, and wait for its end."""
        descriptor = os.pidfd_open(pid)
        self._forks[descriptor] = pid, status
        self._poll.register(descriptor, select.POLLIN)
        _tell(status, {"pid": pid}, [descriptor])

    def _tell_end(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        pid, status = self._forks.pop(descriptor)
        _, code, use = os.wait4(pid, 0)
        _tell(status, {"status": code, "cpu_s": use.ru_utime + use.ru_stime}, [])
        status.close()
        os.close(descriptor)


def take_control() -> socket.socket:
    """Move the judge's socket from standard input to a private descriptor."""
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, os.dup(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return control


def _tell(status: socket.socket, told: Mapping[str, Any], descriptors: Sequence[int]) -> None:
    try:
        socket.send_fds(status, [json.dumps(told).encode()], descriptors)
    except OSError:  # the judge has lost interest in this worker
        return


def _fork() -> int:
    with warnings.catch_warnings():
        # Both Python and JAX warn of threads that a fork lacks: see missing.py.
        warnings.simplefilter("ignore")
        return os.fork()


def _seed_anew() -> None:
    """Let each worker draw numbers of its own; Python does so for its own `random`."""
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
