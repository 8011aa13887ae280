"""Start a job and put questions to it."""

import os
from collections.abc import Callable, Mapping

import msgspec

from grader.batch.messages import Answer, Question, Ready, Start
from grader.peer.asking import Peer
from grader.sandbox.lending import Lent

_PATIENCE_S = 3600.0
"""A submission may take 300 s behind the wall, the first wrong one minutes more of the oracle."""


class JobProcess:
    """One running job.

    Args:
        lent: templates of this process, by kind, that are the job's from now on.
    """

    def __init__(self, start: Start, lent: Mapping[str, Lent]) -> None:
        self._lent = lent
        loans = {kind: one.loan for kind, one in lent.items()}
        ends = [end for loan in loans.values() for end in (loan.control, loan.log)]
        self._peer = Peer(["grader.batch.job"], os.environ, ends)
        for one in lent.values():
            one.hand_over()
        self.pid, self.end = self._peer.pid, self._peer.end
        try:
            answer = self.ask(msgspec.structs.replace(start, loans=loans))
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

    @property
    def has_templates(self) -> bool:
        """Whether its workers are forked from templates of this process."""
        return bool(self._lent)

    def roots(self) -> list[int]:
        """Return the processes below which all its memory is."""
        return [self.pid, *(pid for one in self._lent.values() for pid in one.pids())]

    def close(self) -> None:
        """End the job and its templates."""
        self._peer.close()
        for one in self._lent.values():
            one.close()


class Holder:
    """A thread's job, started when it is needed and again when it ended."""

    def __init__(self, start: Callable[[], JobProcess], end: Callable[[JobProcess], None]) -> None:
        self._start, self._end = start, end
        self._job: JobProcess | None = None

    def job(self) -> JobProcess:
        """Return a job that runs."""
        if self._job is None:
            self._job = self._start()
        return self._job

    def close(self) -> int | None:
        """End the job, if there is one; return its process id."""
        job, self._job = self._job, None
        if job is None:
            return None
        self._end(job)
        return job.pid
