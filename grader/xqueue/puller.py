"""Run the loop: put what is graded, grade what is pulled, pull when there is room.

One thread talks to the server and owns every job; gradings run in a pool and come back as events.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue

import msgspec

from grader.apart import NotGraded
from grader.text import printable
from grader.xqueue import pace, protocol
from grader.xqueue.client import Client, Refused, ServerTrouble, Unanswered
from grader.xqueue.protocol import Submission
from grader.xqueue.spool import Job, Spool

_logger = logging.getLogger("grader")

MOST_ATTEMPTS = 3
"""Gradings that fail through our fault before a submission is given back."""

_REGRADE_FIRST_S, _REGRADE_MOST_S = 10.0, 300.0
_MOST_UNSURE_PUTS = 5
"""A second put of a result that was taken answers 500: after so many the reply is parked."""

_PARKED_FOR_S = 24 * 3600.0
_MOST_REMEMBERED = 1000
"""Submissions whose result was taken, to notice that the server did not keep it."""
_IDLE_S = 3600.0

Grade = Callable[[Submission], str]


class Puller:
    """One queue, graded.

    Args:
        grade: returns the body of a submission's result, or raises NotGraded.
        slots: gradings at once.
        poll_s: seconds between two looks at an empty queue.
        until_empty: end when the queue is empty and everything is answered.
    """

    def __init__(
        self,
        client: Client,
        spool: Spool,
        grade: Grade,
        *,
        slots: int = 1,
        poll_s: float = 5.0,
        until_empty: bool = False,
    ) -> None:
        self._client, self._spool, self._grade = client, spool, grade
        self._slots, self._poll_s, self._until_empty = slots, poll_s, until_empty
        self._jobs = {job.submission.id: job for job in spool.jobs()}
        self._due_s = dict.fromkeys(self._jobs, 0.0)
        self._underway: dict[str, Future[str]] = {}
        self._events: SimpleQueue[str | None] = SimpleQueue()
        self._taken: deque[str] = deque(maxlen=_MOST_REMEMBERED)
        self._next_pull_s = 0.0
        self._failures = 0
        self._stopping = self._empty = False

    def stop(self) -> None:
        """Pull no more; end when what is underway is graded. Safe in a signal handler."""
        self._stopping = True
        self._events.put(None)

    def run(self) -> None:
        """Serve the queue until told to stop.

        Raises:
            LoginRefused: the server does not know the credentials.
        """
        if self._jobs:
            _logger.info("%d submissions are left from before", len(self._jobs))
        with ThreadPoolExecutor(self._slots, "grading") as pool:
            while True:
                self._put_what_is_due()
                if not self._stopping:
                    self._start(pool)
                    self._pull_if_room(pool)
                if self._finished():
                    break
                self._await_event()
            self._put_what_is_due(everything=True)

    def _finished(self) -> bool:
        if self._underway:
            return False
        waiting = any(not job.parked for job in self._jobs.values())
        return self._stopping or (self._until_empty and self._empty and not waiting)

    def _put_what_is_due(self, *, everything: bool = False) -> None:
        """Put replies; one that fails waits by itself and holds up no other."""
        now = time.monotonic()
        for name, job in list(self._jobs.items()):
            due = everything or self._due_s[name] <= now
            if job.parked and time.time() - job.pulled_at_s > _PARKED_FOR_S:
                self._forget(job)
            elif job.reply is not None and not job.parked and due:
                self._put(job, job.reply)

    def _put(self, job: Job, reply: str) -> None:
        try:
            self._client.put(job.submission.header, reply)
        except Refused as error:
            name = _shown(job.submission)
            _logger.warning("submission %s: result refused (%s), kept for a pull", name, error)
            self._keep(msgspec.structs.replace(job, parked=True))
        except ServerTrouble as error:
            unsure = job.unsure_puts + isinstance(error, Unanswered)
            parked = unsure >= _MOST_UNSURE_PUTS
            _logger.warning("%s%s", error, "; result kept for the next pull" if parked else "")
            self._keep(msgspec.structs.replace(job, unsure_puts=unsure, parked=parked))
            self._failures += 1
            self._due_s[job.submission.id] = time.monotonic() + pace.after_failures(self._failures)
        else:
            _logger.info("submission %s: result taken", _shown(job.submission))
            self._failures = 0
            if reply == protocol.GIVEN_BACK:
                self._empty = False  # it is in the queue again
            else:
                self._taken.append(job.submission.id)
            self._forget(job)

    def _start(self, pool: ThreadPoolExecutor) -> None:
        """Give the pool what is pulled and not graded."""
        now = time.monotonic()
        for name, job in self._jobs.items():
            waiting = job.reply is None and name not in self._underway
            if waiting and self._due_s[name] <= now and len(self._underway) < self._slots:
                self._begin(pool, job)

    def _begin(self, pool: ThreadPoolExecutor, job: Job) -> None:
        name = job.submission.id
        future = pool.submit(self._grade, job.submission)
        self._underway[name] = future
        future.add_done_callback(lambda _: self._events.put(name))

    def _pull_if_room(self, pool: ThreadPoolExecutor) -> None:
        """Pull until there is no room, the queue is empty, or the server fails."""
        while len(self._underway) < self._slots and time.monotonic() >= self._next_pull_s:
            self._empty = False
            try:
                pulled = self._client.pull()
            except ServerTrouble as error:
                self._failures += 1
                _logger.warning("%s", error)
                self._next_pull_s = time.monotonic() + pace.after_failures(self._failures)
                return
            self._failures = 0
            if pulled is None or not self._take(pulled):
                self._empty = pulled is None
                self._next_pull_s = time.monotonic() + pace.between_polls(self._poll_s)
            self._put_what_is_due()
            self._start(pool)

    def _take(self, pulled: Submission) -> bool:
        """Take what was pulled; False when it is known already.

        Handed out again, it may have a new key: that is the one its result must be put with.
        """
        known = self._jobs.get(pulled.id)
        if known is None:
            job = Job(submission=pulled, pulled_at_s=time.time())
            _logger.info("submission %s: pulled", _shown(pulled))
            if pulled.id in self._taken:
                _logger.warning(
                    "it is handed out again, though its result was taken: the server did not keep "
                    'it; see "Points" in docs/platforms/open-edx.md'
                )
            if pulled.problem:
                _logger.error("given back: %s", printable(pulled.problem, 300))
                job = msgspec.structs.replace(job, reply=protocol.GIVEN_BACK)
            self._keep(job)
            self._due_s[pulled.id] = 0.0
            return True
        renewed = msgspec.structs.replace(known.submission, header=pulled.header)
        self._keep(
            msgspec.structs.replace(
                known, submission=renewed, pulled_at_s=time.time(), unsure_puts=0, parked=False
            )
        )
        if known.reply is not None:
            self._due_s[pulled.id] = 0.0
        return False

    def _await_event(self) -> None:
        """Sleep until a grading ends, something is due, or a signal comes."""
        waits = [self._due_s[name] for name, job in self._jobs.items() if self._waits(name, job)]
        if len(self._underway) < self._slots and not self._stopping:
            waits.append(self._next_pull_s)
        wait_s = min(waits, default=time.monotonic() + _IDLE_S) - time.monotonic()
        try:
            name = self._events.get(timeout=max(wait_s, 0.0))
        except Empty:
            return
        if name is not None:
            self._end(self._jobs[name], self._underway.pop(name))

    def _waits(self, name: str, job: Job) -> bool:
        """Whether a job's due time is one to wake up for."""
        if job.parked or name in self._underway:
            return False
        return job.reply is not None or len(self._underway) < self._slots

    def _end(self, job: Job, future: "Future[str]") -> None:
        """Keep what a grading gave; after too many failures of ours, give the submission back."""
        name = job.submission.id
        try:
            self._keep(msgspec.structs.replace(job, reply=future.result()))
            self._due_s[name] = 0.0
            return
        except NotGraded as error:
            _logger.error("submission %s: %s", _shown(job.submission), error)
        except Exception:  # a bug of ours must neither end the loop nor look like a grade
            _logger.exception("please report this")
        attempts = job.attempts + (not self._stopping)  # a signal may have met the grading too
        given_back = protocol.GIVEN_BACK if attempts >= MOST_ATTEMPTS else None
        self._keep(msgspec.structs.replace(job, attempts=attempts, reply=given_back))
        wait_s = pace.after_failures(
            max(attempts, 1), first_s=_REGRADE_FIRST_S, most_s=_REGRADE_MOST_S
        )
        self._due_s[name] = 0.0 if given_back else time.monotonic() + wait_s

    def _keep(self, job: Job) -> None:
        self._spool.keep(job)
        self._jobs[job.submission.id] = job

    def _forget(self, job: Job) -> None:
        self._spool.forget(job)
        del self._jobs[job.submission.id], self._due_s[job.submission.id]


def _shown(submission: Submission) -> str:
    """Return the server's name for a submission; never the student's, nor what was sent."""
    return printable(submission.id, 40)
