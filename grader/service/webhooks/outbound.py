"""Send notices: signed, on a schedule, parked when given up on; see planning.py for their order."""

from datetime import datetime, timedelta

import httpx
import msgspec
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from grader.service.addresses import AddressRefused
from grader.service.core import Service
from grader.service.http_times import retry_after_s
from grader.service.tables import (
    PARKED,
    SENT,
    SUPERSEDED,
    WAITING,
    Notice,
    Source,
    now,
)
from grader.service.webhooks.inbound import live_secrets
from grader.service.webhooks.planning import LEASE_S, REFUSED, free_at
from grader.service.webhooks.signatures import sign

SCHEDULE_S = (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds before each attempt, from the one before it."""

_GONE = 410


class _Outcome(msgspec.Struct, frozen=True):
    """How an attempt ended.

    Attributes:
        status: of HTTP; None when there was no answer.
        retry_after_s: what the other side asked for.
        is_final: nothing will change by trying again.
    """

    status: int | None
    problem: str = ""
    retry_after_s: float = 0.0
    is_final: bool = False


def sources_due(service: Service) -> list[str]:
    """Return the sources that have notices whose time has come."""
    with service.database.reading() as session:
        return list(session.scalars(select(Notice.source).where(*_is_due()).distinct()))


def due(service: Service, source: str, *, at_most: int = 50) -> list[str]:
    """Return the ids of a source's notices whose time has come, the longest due first."""
    rows = select(Notice.id).where(Notice.source == source, *_is_due())
    with service.database.reading() as session:
        return list(session.scalars(rows.order_by(Notice.next_at).limit(at_most)))


def send(service: Service, notice_id: str) -> str:
    """Make one attempt at a notice; return "sent", "later", "parked", or "taken" by another."""
    claimed = _claim(service, notice_id)
    if claimed is None:
        return "taken"
    notice, url, live = claimed
    outcome, lease = _attempt(service, notice, url, live), notice.leased_until
    with service.database.transaction() as session:
        notice = session.get_one(Notice, notice_id, with_for_update=True)
        _release(session, notice, lease)
        said = _settle(session, notice, outcome)
    service.metrics.notices.labels(said).inc()
    return said


def resend(service: Service, notice_id: str) -> bool:
    """Start a notice's schedule anew; return whether there is one that is still to be taken."""
    if not notice_id.removeprefix("msg_").isalnum():
        return False  # no id; PostgreSQL takes no NUL in a text
    with service.database.transaction() as session:
        notice = session.get(Notice, notice_id, with_for_update=True)
        if notice is None or notice.state in (SENT, SUPERSEDED):
            return False
        moment = now()
        notice.state, notice.tries, notice.problem = WAITING, 0, ""
        notice.next_at = free_at(notice.leased_until, moment)
        source = session.get(Source, notice.source)
        if source is not None:
            source.callback_refused_at = None
    return True


def _is_due() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Notice.state == WAITING, Notice.next_at <= now()


def _claim(service: Service, notice_id: str) -> tuple[Notice, str, list[str]] | None:
    """Make a due notice nobody else's for a while."""
    until = now() + timedelta(seconds=LEASE_S)
    mine = update(Notice).where(Notice.id == notice_id, *_is_due())
    with service.database.transaction() as session:
        claim = mine.values(next_at=until, leased_until=until)
        if session.execute(claim.returning(Notice.id)).one_or_none() is None:
            return None
        notice = session.get_one(Notice, notice_id)
        source = session.get_one(Source, notice.source)
        return notice, source.callback_url, live_secrets(session, source.name)


def _attempt(service: Service, notice: Notice, url: str, live: list[str]) -> _Outcome:
    """Post a notice; every live secret signs it, so that the receiver can rotate too."""
    timestamp = int(now().timestamp())
    signatures = " ".join(sign(one, notice.id, timestamp, notice.body) for one in live)
    headers = {
        "content-type": "application/json",
        "webhook-id": notice.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signatures,
    }
    try:
        with service.client.stream("POST", url, content=notice.body, headers=headers) as response:
            status = response.status_code
            asked = retry_after_s(response.headers.get("retry-after", ""), now().timestamp())
    except AddressRefused as error:
        return _Outcome(None, str(error), is_final=True)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return _Outcome(None, f"{type(error).__name__}: {error}")
    if 200 <= status < 300:
        return _Outcome(status)
    if 300 <= status < 400:
        return _Outcome(status, f"it answered {status}; redirects are not followed")
    return _Outcome(status, f"it answered {status}", asked, is_final=status == _GONE)


def _release(session: Session, notice: Notice, lease: datetime | None) -> None:
    """Say that an attempt has ended; what came in the notice's place meanwhile waits no longer."""
    if notice.leased_until == lease:  # else it froze for so long that another one took it
        notice.leased_until = None
    heir = update(Notice).where(
        Notice.submission_id == notice.submission_id,
        Notice.state == WAITING,
        Notice.leased_until == lease,
    )
    if notice.state == SUPERSEDED:
        session.execute(heir.values(next_at=now(), leased_until=None))


def _settle(session: Session, notice: Notice, outcome: _Outcome) -> str:
    """Write down how an attempt ended, and when the next one is."""
    notice.tries += 1
    notice.last_status, notice.problem = outcome.status, outcome.problem[:1000]
    if not outcome.problem:
        notice.state = SENT
        return "sent"
    if outcome.status == _GONE:
        _refuse(session, notice.source)
    if notice.state == SUPERSEDED:
        return "later"  # the newer one is
    if outcome.is_final or notice.tries >= len(SCHEDULE_S):
        notice.state = PARKED
        return "parked"
    wait_s = max(float(SCHEDULE_S[notice.tries]), outcome.retry_after_s)
    notice.next_at = now() + timedelta(seconds=wait_s)
    return "later"


def _refuse(session: Session, source: str) -> None:
    """Send a source nothing more: it said 410. What waits is parked."""
    session.execute(update(Source).where(Source.name == source).values(callback_refused_at=now()))
    waiting = update(Notice).where(Notice.source == source, Notice.state == WAITING)
    session.execute(waiting.values(state=PARKED, problem=REFUSED))
