"""Announce gradings as Procrastinate's jobs, in the transaction that made them wait."""

from contextlib import suppress
from datetime import datetime

from procrastinate import App, SyncPsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued
from sqlalchemy.orm import Session

from grader.service.fairness import BULK, INTERACTIVE
from grader.service.tables import Grading

TASK = "grade"
QUEUES = {INTERACTIVE: "interactive", BULK: "bulk"}
_FIRST = {INTERACTIVE: 1_000_000_000, BULK: 0}
"""Priority of the first turn of a lane. A worker of both queues orders by priority alone, and a
priority has 32 bits: a lane would need a thousand million waiting turns to reach the next one."""


class QueueDispatch:
    """A Dispatch that inserts jobs; a job is a hint, and may be lost or doubled without harm."""

    def __init__(self) -> None:
        # Never opened: every insertion is made on the connection of the caller's transaction.
        self._app = App(connector=SyncPsycopgConnector())

    def enqueue(self, session: Session, grading: Grading, *, at: datetime | None = None) -> None:
        """See Dispatch. A submission has one job that waits: `queueing_lock` is its id."""
        connection = session.connection()
        job = self._app.configure_task(
            TASK,
            queue=QUEUES[grading.lane],
            priority=priority(grading.lane, grading.turn),
            queueing_lock=grading.submission_id,
            schedule_at=at,
            connection=connection.connection.driver_connection,
        )
        # The connection's savepoint: the session's would wait for a statement of its own.
        with suppress(AlreadyEnqueued), connection.begin_nested():
            job.defer(submission_id=grading.submission_id)

    def wake(self) -> None:
        """See Dispatch: PostgreSQL notifies the workers."""


def priority(lane: int, turn: int) -> int:
    """Return the priority of a turn: the lower the turn, the higher."""
    return _FIRST[lane] - turn
