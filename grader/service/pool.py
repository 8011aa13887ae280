"""Grade with the threads of this one process: the embedded dispatch.

There is no queue to lose: whoever is free asks the database for the fairest waiting grading that
nobody here is at.
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from grader.service import grading
from grader.service.core import Service
from grader.service.fairness import BULK, INTERACTIVE
from grader.service.judging.work import Grader
from grader.service.tables import WAITING, Grading, now

_LOOK_S = 1.0
"""How often somebody free looks without being woken: tries that wait end by themselves."""

_log = structlog.get_logger()


class Pool:
    """A Dispatch whose workers are threads, each with a grader of its own."""

    def __init__(
        self, make_grader: Callable[[], Grader], slots: int, *, drain_s: float = 30.0
    ) -> None:
        self._drain_s = drain_s
        self._service: Service | None = None
        self._graders = [make_grader() for _ in range(slots)]
        self._threads: list[threading.Thread] = []
        self._in_flight: set[str] = set()
        self._condition = threading.Condition()
        self._stopping = False
        self._end_s = 0.0

    def enqueue(self, session: Session, grading: Grading, *, at: datetime | None = None) -> None:
        """See Dispatch: the row is the announcement."""

    def wake(self) -> None:
        """See Dispatch."""
        with self._condition:
            self._condition.notify()

    def serves(self, service: Service) -> None:
        """Say whose gradings these are: the service holds its dispatch, so it comes later."""
        self._service = service

    def start(self) -> None:
        """Start the threads."""
        service = self._service
        assert service is not None
        for number, grader in enumerate(self._graders):
            # Where there are several, one is kept from the bulk.
            lane = INTERACTIVE if number == 0 and len(self._graders) > 1 else BULK
            arguments = (service, grader, f"{socket.gethostname()}:{os.getpid()}:{number}", lane)
            thread = threading.Thread(
                target=self._run, args=arguments, name=f"slot-{number}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def request_stop(self) -> None:
        """Take nothing more; from now on what is under way has its time to finish."""
        with self._condition:
            if not self._stopping:
                self._end_s = time.monotonic() + self._drain_s
            self._stopping = True
            self._condition.notify_all()

    def stop(self) -> None:
        """Take nothing more, wait for what is under way, and end what takes longer."""
        self.request_stop()
        for thread in self._threads:
            thread.join(max(0.0, self._end_s - time.monotonic()))
        for grader in self._graders:
            grader.close()
        for thread in self._threads:
            thread.join(10.0)

    def _run(self, service: Service, grader: Grader, worker: str, lane: int) -> None:
        while not self._stopping:
            try:
                submission = self._take(service, lane)
                if submission is not None:
                    self._grade(service, grader, submission, worker)
                    continue
            except Exception as error:  # the database is away, or a bug: the row still waits
                _log.error("slot_failed", worker=worker, error=type(error).__name__)
            with self._condition:
                if not self._stopping:
                    self._condition.wait(_LOOK_S)

    def _grade(self, service: Service, grader: Grader, submission: str, worker: str) -> None:
        try:
            grading.grade(
                service, grader, submission, worker=worker, is_stopping=lambda: self._stopping
            )
        finally:
            with self._condition:
                self._in_flight.discard(submission)

    def _take(self, service: Service, lane: int) -> str | None:
        """Return the fairest submission, up to a lane, that nobody is at: it is now taken."""
        free = or_(Grading.not_before.is_(None), Grading.not_before <= now())
        rows = select(Grading.submission_id).where(
            Grading.state == WAITING, Grading.lane <= lane, free
        )
        rows = rows.order_by(Grading.lane, Grading.turn, Grading.id)
        with self._condition, service.database.reading() as session:
            for submission in session.scalars(rows.limit(len(self._in_flight) + 1)):
                if submission not in self._in_flight:
                    self._in_flight.add(submission)
                    return submission
        return None
