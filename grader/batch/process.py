"""Start a job and put questions to it."""

import os

import msgspec

from grader.batch.messages import Answer, Question, Ready, Start
from grader.peer.asking import Peer

_PATIENCE_S = 3600.0
"""A submission may take 300 s behind the wall, the first wrong one minutes more of the oracle."""


class JobProcess:
    """One running job."""

    def __init__(self, start: Start) -> None:
        self._peer = Peer(["grader.batch.job"], os.environ)
        self.pid, self.kill, self.close = self._peer.pid, self._peer.kill, self._peer.close
        try:
            answer = self.ask(start)
        except BaseException:
            self.close()
            raise
        assert isinstance(answer, Ready)

    def ask(self, question: Question) -> Answer:
        """Put a question and wait for the answer.

        Raises:
            PeerEnded: there will be none.
        """
        reply = self._peer.ask(msgspec.msgpack.encode(question), timeout_s=_PATIENCE_S)
        answer: Answer = msgspec.msgpack.decode(reply, type=Answer)
        return answer
