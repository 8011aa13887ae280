"""Drop what has had its time: logins that ended, ids of deliveries that nobody repeats any more."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, exists, select

from grader.service.core import Service
from grader.service.database import Database
from grader.service.loops import Loop
from grader.service.lti.tables import LtiAttempt, LtiGrade
from grader.service.tables import Delivery, Login, Submission, now

KEEP_DELIVERIES = timedelta(days=7)
"""Senders repeat for 4 days at most."""

_EVERY_S = 3600.0
_AT_ONCE = 500


class Upkeep:
    """Tidies up once an hour."""

    def __init__(self, service: Service) -> None:
        self._loop = Loop("upkeep", _EVERY_S, lambda: tidy(service.database))

    def start(self) -> None:
        """Start."""
        self._loop.start()

    def request_stop(self) -> None:
        """Tidy up no more."""
        self._loop.request_stop()

    def stop(self) -> None:
        """Stop."""
        self._loop.stop()


def tidy(database: Database) -> None:
    """Delete ended logins and old deliveries."""
    with database.transaction() as session:
        session.execute(delete(Login).where(Login.expires_at < now()))
        session.execute(delete(Delivery).where(Delivery.received_at < now() - KEEP_DELIVERIES))


def purge(database: Database, before: datetime) -> int:
    """Delete the submissions that arrived before a moment, with all that hangs on them.

    So are grades at rest since then of students without a later attempt there: without its grade
    that one would seem to be on its way. What a platform has been told stays there.

    Returns:
        How many there were.
    """
    total = _purge_submissions(database, before)
    tries_on = exists().where(
        LtiAttempt.link_id == LtiGrade.link_id, LtiAttempt.user == LtiGrade.user
    )
    with database.transaction() as session:  # they name users, and nothing hangs on them
        rested = (LtiGrade.changed_at < before, LtiGrade.due_at.is_(None), ~tries_on)
        session.execute(delete(LtiGrade).where(*rested))
    return total


def _purge_submissions(database: Database, before: datetime) -> int:
    total = 0
    old = select(Submission.id).where(Submission.received_at < before).limit(_AT_ONCE)
    while True:
        with database.transaction() as session:
            deleted: Any = session.execute(delete(Submission).where(Submission.id.in_(old)))
        count = int(deleted.rowcount)
        total += count
        if count < _AT_ONCE:
            return total
