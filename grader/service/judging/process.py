"""Ask a judging process, and start it anew when it is gone."""

import os

import msgspec

from grader.peer.asking import Peer, PeerEnded
from grader.service.judging.work import GraderDied, Reply, Work

_KEPT = ("GRADER_CACHE", "GRADER_WORKER_IMAGE")


class JudgingProcess:
    """A Grader whose process is started with the first submission and kept for the next.

    Args:
        sandbox, workers: see grader.sandbox.choice.choose.
        deadline_s: wall-clock seconds after which a grading is taken for stuck.
    """

    def __init__(self, *, sandbox: str, workers: str, deadline_s: float) -> None:
        self._sandbox, self._workers, self._deadline_s = sandbox, workers, deadline_s
        self._peer: Peer | None = None
        self._is_grading = False

    def grade(self, work: Work) -> Reply:
        """See Grader."""
        peer = self._peer or self._start()
        self._peer, self._is_grading = peer, True
        try:
            reply = peer.ask(msgspec.msgpack.encode(work), timeout_s=self._deadline_s)
            return msgspec.msgpack.decode(reply, type=Reply)
        except (PeerEnded, msgspec.DecodeError) as error:
            self._end()
            raise GraderDied(str(error)) from None
        finally:
            self._is_grading = False

    def close(self) -> None:
        """See Grader: what is being graded learns of it by the end of its pipe."""
        peer = self._peer
        if peer is not None:
            peer.end()
            if not self._is_grading:
                self._end()

    def _end(self) -> None:
        peer, self._peer = self._peer, None
        if peer is not None:
            peer.close()

    def _start(self) -> Peer:
        # Neither the database's address nor any other secret of the service reaches it.
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("GRADER_") or name in _KEPT
        }
        command = ["grader.service.judging.child", self._sandbox, self._workers]
        return Peer(command, environment)
