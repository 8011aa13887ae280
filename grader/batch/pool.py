"""Have several jobs grade entries, one thread a job; identical sources are graded once.

A thread only waits for its job. What comes back is put into one queue, which the command reads. An
entry that takes too much memory waits until the others are done, and is graded alone.
"""

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from queue import SimpleQueue

import msgspec

from grader.batch.entry import Entry, Row, not_graded
from grader.batch.identical import Identical
from grader.batch.memory import Watch, budget_of
from grader.batch.messages import (
    Copy,
    Done,
    Failed,
    Grade,
    Prepare,
    Prepared,
    Read,
    Readable,
    Start,
)
from grader.batch.process import Holder, JobProcess
from grader.batch.templates import OpenWall, Templates
from grader.descriptors import allow_most
from grader.errors import InternalError
from grader.peer.asking import PeerEnded

_TRIES = 2
Result = Row | BaseException


class Pool:
    """Jobs at work. Use as a context manager: leaving ends every job.

    Args:
        start: what every job is told.
        entries: what to grade.
        originals: digest of a source that was graded before, to the name of its reports.
        max_score: of the exercise, for what could not be graded.
        open_wall: returns the wall whose templates are lent to the jobs.

    Attributes:
        results: a row for each entry, in the order of finishing; an exception when no job can work.
    """

    def __init__(
        self,
        start: Start,
        entries: Iterable[Entry],
        *,
        jobs: int,
        originals: Mapping[str, str],
        max_score: int,
        open_wall: OpenWall,
    ) -> None:
        self.results: SimpleQueue[Result] = SimpleQueue()
        self._start, self._max_score = start, max_score
        self._waiting, self._greedy = deque(entries), deque[Entry]()
        self._identical = Identical(originals)
        self._turn = threading.Condition(threading.RLock())
        self._preparing = threading.Lock()
        self._templates = Templates(open_wall)
        self._is_prepared, self._stopped = False, False
        self._busy, self._open_jobs = 0, 0
        self._only_greedy_left = False
        self._running: dict[int, JobProcess] = {}
        self._sent_away: set[int] = set()
        self._watch = Watch(budget_of(jobs), self._roots, self._send_away)
        count = min(jobs, len(self._waiting))
        self._threads = [threading.Thread(target=self._drive) for _ in range(count)]

    def __enter__(self) -> "Pool":
        allow_most()
        self._watch.__enter__()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for thread in self._threads:
            thread.join()
        self._watch.__exit__()
        self._templates.close()

    def stop(self) -> None:
        """End every job at once; what they held is not graded."""
        with self._turn:
            self._stopped = True
            self._turn.notify_all()
            for job in self._running.values():
                job.end()

    def _drive(self) -> None:
        """Take entries to a job of one's own until there are none."""
        holder = Holder(self._open, self._close)
        try:
            while (entry := self._next(holder)) is not None:
                try:
                    row = self._grade(entry, holder)
                    if row is not None:
                        self.results.put(row)
                finally:
                    self._done_with_one()
        except BaseException as error:  # it belongs to whoever waits for results
            if not self._stopped:
                self.results.put(error)
        finally:
            holder.close()

    def _next(self, holder: Holder) -> Entry | None:
        """Wait for an entry; None when there will be no more."""
        while True:
            with self._turn:
                if self._stopped:
                    return None
                if self._waiting:
                    self._busy += 1
                    return self._waiting.popleft()
            # Its memory may be wanted; ending it takes time, and others need the turn.
            holder.close()
            with self._turn:
                while not self._waiting and (self._busy or self._open_jobs) and not self._stopped:
                    self._turn.wait()  # another job's entry may set identical ones free
                if self._stopped or not (self._waiting or self._greedy):
                    return None
                if self._waiting:
                    continue
                # The greedy one by one: no job is open. They may take what templates would take.
                self._busy += 1
                self._only_greedy_left = True
                self._start = msgspec.structs.replace(self._start, workers="fresh")
                self._templates.close()
                return self._greedy.popleft()

    def _done_with_one(self) -> None:
        with self._turn:
            self._busy -= 1
            self._turn.notify_all()

    def _grade(self, entry: Entry, holder: Holder) -> Row | None:
        """Return the entry's row; None when it has to wait for an identical one."""
        problem = ""
        for _ in range(_TRIES):
            try:
                row = self._try(entry, holder)
            except (PeerEnded, _CannotDo) as error:
                problem = str(error)
                if isinstance(error, PeerEnded) and self._was_sent_away(holder.close()):
                    self._greedy.append(entry)
                    return None
                if self._stopped:
                    raise
            else:
                return row
        return not_graded(entry, self._max_score, problem)

    def _try(self, entry: Entry, holder: Holder) -> Row | None:
        answer = holder.job().ask(Read(entry))
        if isinstance(answer, Done):
            return answer.row
        if isinstance(answer, Failed):
            raise _CannotDo(answer.problem)
        assert isinstance(answer, Readable)
        if not self._claim(answer.sha256, entry):
            return None
        row: Row | None = None
        try:
            row = self._judge(entry, answer.sha256, holder)
        finally:
            self._release(answer.sha256, row)
        return row

    def _judge(self, entry: Entry, sha256: str, holder: Holder) -> Row:
        original = self._identical.original_of(sha256)
        if original is None:
            self._prepare(holder)
            job = self._equipped(entry, holder)
            answer = job.ask(Grade())
        else:
            job = holder.job()
            answer = job.ask(Copy(original))
        with self._turn:
            if job.pid in self._sent_away:  # the worker was stopped: of one, no answer is a verdict
                raise PeerEnded("it answered after it was sent away")
        if isinstance(answer, Done):
            return answer.row
        assert isinstance(answer, Failed)
        raise _CannotDo(answer.problem)

    def _equipped(self, entry: Entry, holder: Holder) -> JobProcess:
        """Return a job that has the entry, and templates where there are any to lend."""
        if self._templates.are_open and not holder.job().has_templates:
            holder.close()  # it started before there were any
            holder.job().ask(Read(entry))
        return holder.job()

    def _claim(self, sha256: str, entry: Entry) -> bool:
        with self._turn:
            return self._identical.claim(sha256, entry)

    def _release(self, sha256: str, row: Row | None) -> None:
        with self._turn:
            self._waiting.extendleft(self._identical.release(sha256, row))

    def _prepare(self, holder: Holder) -> None:
        """Let the first job compute what all of them need, while the others wait."""
        with self._preparing:
            if self._is_prepared:
                return
            answer = holder.job().ask(Prepare())
            if isinstance(answer, Failed):
                raise InternalError(answer.problem)
            assert isinstance(answer, Prepared)
            self._templates.open(answer.rehearsal)
            self._is_prepared = True

    def _was_sent_away(self, pid: int | None) -> bool:
        with self._turn:
            found = pid in self._sent_away
            self._sent_away.discard(pid or 0)  # the number may be given to another process
        return found

    def _open(self) -> JobProcess:
        job = JobProcess(self._start, self._templates.lend())
        with self._turn:
            self._running[job.pid] = job
            self._open_jobs += 1
            if self._stopped:
                job.end()
        return job

    def _close(self, job: JobProcess) -> None:
        with self._turn:
            del self._running[job.pid]
        try:
            job.close()
        finally:
            with self._turn:
                self._open_jobs -= 1
                self._turn.notify_all()

    def _roots(self) -> dict[int, list[int]]:
        """Return who may be sent away, once each."""
        with self._turn:
            if self._only_greedy_left:
                return {}
            return {pid: job.roots() for pid, job in self._running.items()}

    def _send_away(self, pid: int) -> None:
        """End the job that takes most; its entry is graded when it is alone."""
        with self._turn:
            job = None if self._only_greedy_left else self._running.get(pid)
            if job is not None and pid not in self._sent_away:
                self._sent_away.add(pid)
                job.end()


class _CannotDo(InternalError):
    """The job answered that it failed."""
