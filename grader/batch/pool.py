"""Have several jobs grade entries, one thread a job; identical sources are graded once.

A thread only waits for its job. What comes back is put into one queue, which the command reads. An
entry that takes too much memory beside others waits until they are done, and is graded alone.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from queue import SimpleQueue

from grader.batch.entry import Entry, Row
from grader.batch.memory import Watch, budget_of
from grader.batch.messages import Copy, Done, Failed, Grade, Prepare, Read, Readable, Start
from grader.batch.process import JobProcess
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
    ) -> None:
        self.results: SimpleQueue[Result] = SimpleQueue()
        self._start, self._max_score = start, max_score
        self._waiting, self._greedy = deque(entries), deque[Entry]()
        self._originals = dict(originals)
        self._in_work: dict[str, list[Entry]] = {}
        self._turn = threading.Condition(threading.RLock())
        self._preparing = threading.Lock()
        self._prepared, self._stopped, self._busy = False, False, 0
        self._running: dict[int, JobProcess] = {}
        self._sent_away: set[int] = set()
        self._watch = Watch(budget_of(jobs), self._pids, self._send_away)
        count = min(jobs, len(self._waiting))
        self._threads = [threading.Thread(target=self._drive) for _ in range(count)]

    def __enter__(self) -> "Pool":
        self._watch.__enter__()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for thread in self._threads:
            thread.join()
        self._watch.__exit__()

    def stop(self) -> None:
        """End every job at once; what they held is not graded."""
        with self._turn:
            self._stopped = True
            self._turn.notify_all()
            for job in self._running.values():
                job.kill()

    def _drive(self) -> None:
        """Take entries to a job of one's own until there are none."""
        holder = _Holder(self._open, self._close)
        try:
            while (entry := self._next(holder)) is not None:
                try:
                    row = self._grade(entry, holder)
                finally:
                    self._done_with_one()
                if row is not None:
                    self.results.put(row)
        except BaseException as error:  # it belongs to whoever waits for results
            if not self._stopped:
                self.results.put(error)
        finally:
            holder.close()

    def _next(self, holder: "_Holder") -> Entry | None:
        """Wait for an entry; None when there will be no more."""
        with self._turn:
            if not self._waiting:
                holder.close()  # its memory may be wanted
            while not self._waiting and self._busy and not self._stopped:
                self._turn.wait()  # another job's entry may set identical ones free
            waiting = self._waiting or self._greedy  # the greedy one by one, when none is busy
            if self._stopped or not waiting:
                return None
            self._busy += 1
            return waiting.popleft()

    def _done_with_one(self) -> None:
        with self._turn:
            self._busy -= 1
            self._turn.notify_all()

    def _grade(self, entry: Entry, holder: "_Holder") -> Row | None:
        """Return the entry's row; None when it has to wait for an identical one."""
        problem = ""
        for _ in range(_TRIES):
            try:
                row = self._try(entry, holder.job())
            except (PeerEnded, _CannotDo) as error:
                problem = str(error)
                if isinstance(error, PeerEnded) and self._was_sent_away(holder.close()):
                    self._greedy.append(entry)
                    return None
                if self._stopped:
                    raise
            else:
                return row
        return self._not_graded(entry, problem)

    def _try(self, entry: Entry, job: JobProcess) -> Row | None:
        answer = job.ask(Read(entry))
        if isinstance(answer, Done):
            return answer.row
        if isinstance(answer, Failed):
            raise _CannotDo(answer.problem)
        assert isinstance(answer, Readable)
        if not self._claim(answer.sha256, entry):
            return None
        row: Row | None = None
        try:
            row = self._judge(job, answer.sha256)
        finally:
            self._release(answer.sha256, row)
        return row

    def _judge(self, job: JobProcess, sha256: str) -> Row:
        original = self._originals.get(sha256)
        if original is None:
            self._prepare(job)
        answer = job.ask(Grade() if original is None else Copy(original))
        if isinstance(answer, Done):
            return answer.row
        assert isinstance(answer, Failed)
        raise _CannotDo(answer.problem)

    def _claim(self, sha256: str, entry: Entry) -> bool:
        """Return whether to judge a source now; else its entry waits for the one in work."""
        with self._turn:
            if sha256 in self._in_work:
                self._in_work[sha256].append(entry)
                return False
            self._in_work[sha256] = []
            return True

    def _release(self, sha256: str, row: Row | None) -> None:
        """Set the entries free that waited, with a result to copy if there is one."""
        with self._turn:
            self._waiting.extendleft(self._in_work.pop(sha256))
            if row is not None and row.is_graded:
                self._originals.setdefault(sha256, row.report)

    def _prepare(self, job: JobProcess) -> None:
        """Let the first job compute what all of them need, while the others wait."""
        with self._preparing:
            if self._prepared:
                return
            answer = job.ask(Prepare())
            if isinstance(answer, Failed):
                raise InternalError(answer.problem)
            self._prepared = True

    def _was_sent_away(self, pid: int | None) -> bool:
        with self._turn:
            found = pid in self._sent_away
            self._sent_away.discard(pid or 0)  # the number may be given to another process
        return found

    def _not_graded(self, entry: Entry, problem: str) -> Row:
        return Row(
            id=entry.id,
            stamp=entry.stamp,
            students=entry.students,
            late=entry.late,
            verdict="internal_error",
            score=0,
            max_score=self._max_score,
            findings={},
            problem=problem[:300],
        )

    def _open(self) -> JobProcess:
        job = JobProcess(self._start)
        with self._turn:
            self._running[job.pid] = job
            if self._stopped:
                job.kill()
        return job

    def _close(self, job: JobProcess) -> None:
        with self._turn:
            del self._running[job.pid]
        job.close()

    def _pids(self) -> list[int]:
        with self._turn:
            return list(self._running)

    def _send_away(self, pid: int) -> None:
        """End the job that takes most; its entry is graded when it is alone."""
        with self._turn:
            job = self._running.get(pid)
            if job is not None and pid not in self._sent_away:
                self._sent_away.add(pid)
                job.kill()


class _CannotDo(InternalError):
    """The job answered that it failed."""


class _Holder:
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
