"""Plan what a source is told of a result: one notice, in place of the older ones.

A newer result's notice supersedes one of the same submission that was not taken yet: sent after it,
the older score would be believed. Sending leases a notice, and the newer one takes that lease over:
it waits until the attempt at the older one has ended, and where its process did, until the lease
has. Planning, claiming and settling lock the older one's row, so they come one after the other,
whichever process does them.
"""

import json
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from grader.service import results
from grader.service.core import Service
from grader.service.tables import (
    PARKED,
    SUPERSEDED,
    WAITING,
    Notice,
    Result,
    Source,
    Submission,
)
from grader.service.urls import report_url

LEASE_S = 120
"""For how long an attempt is nobody else's: longer than the client's own timeouts together."""
REFUSED = "the source answered 410: gone"


def plan(service: Service, session: Session, submission: Submission, result: Result) -> None:
    """Insert the notice of a result, where its source wants to know, in place of older ones.

    It is parked where the source has said 410: once that is mended, it can be sent.
    """
    source = session.get(Source, submission.source)
    if source is None or not source.callback_url:
        return
    older = _supersede(session, submission.id)
    is_refused = source.callback_refused_at is not None
    leased_until = max((one for one in older if one is not None), default=None)
    kind = "result.graded" if results.count(session, submission.id) == 1 else "result.updated"
    moment = _later_than_all(session, submission.id, result.recorded_at)
    notice = Notice(
        id=f"msg_{secrets.token_hex(16)}",
        source=source.name,
        submission_id=submission.id,
        type=kind,
        body=_body(service, submission, result, kind=kind, moment=moment),
        state=PARKED if is_refused else WAITING,
        problem=REFUSED if is_refused else "",
        next_at=free_at(leased_until, result.recorded_at),
        leased_until=leased_until,
        created_at=moment,
    )
    session.add(notice)


def _body(
    service: Service, submission: Submission, result: Result, *, kind: str, moment: datetime
) -> bytes:
    body = {
        "type": kind,
        # Microseconds even where there are none: so moments are in order as texts too.
        "timestamp": moment.isoformat(timespec="microseconds"),
        "data": {
            "submission": submission.id,
            "exercise": submission.exercise,
            "exercise_digest": result.exercise_digest,
            "user": submission.user,
            "context": submission.course,
            "attempt": submission.attempt,
            "verdict": result.verdict,
            "score": result.score,
            "max_score": result.max_score,
            "report_url": report_url(service.settings, submission),
        },
    }
    return json.dumps(body).encode()


def _supersede(session: Session, submission_id: str) -> Sequence[datetime | None]:
    """Have what was not taken yet be sent no more; return until when each of it is leased."""
    older = update(Notice).where(
        Notice.submission_id == submission_id, Notice.state.in_([WAITING, PARKED])
    )
    rows = older.values(state=SUPERSEDED).returning(Notice.leased_until)
    return session.scalars(rows).all()


def _later_than_all(session: Session, submission_id: str, moment: datetime) -> datetime:
    """Return a moment, or the next after the older notices': clocks of two workers may differ."""
    rows = select(func.max(Notice.created_at)).where(Notice.submission_id == submission_id)
    newest = session.scalar(rows)
    return moment if newest is None else max(moment, newest + timedelta(microseconds=1))


def free_at(leased_until: datetime | None, moment: datetime) -> datetime:
    """Return when surely no attempt is under way: another's clock adds no more than one lease."""
    if leased_until is None:
        return moment
    return max(moment, min(leased_until, moment + timedelta(seconds=LEASE_S)))
