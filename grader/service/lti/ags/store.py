"""Keep outbox rows in the database: taken by one process at a time, changed by its holder alone."""

import random
import secrets
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from grader.service.database import Database
from grader.service.lti import names, registry
from grader.service.lti.ags.gateway import Target
from grader.service.lti.ags.loop import LEASE_S, PER_PLATFORM, Claim
from grader.service.lti.ags.outbox import after, begin, decide, interrupted, send_again
from grader.service.lti.ags.row import Event, Row, Timing
from grader.service.lti.ags.score import OVERWRITING, Score
from grader.service.lti.tables import LtiGrade, LtiGradeStep, LtiLink, LtiPlatform
from grader.service.tables import now


class DatabaseStore:
    """The outbox of every process on this database."""

    def __init__(
        self, database: Database, timing: Timing, draw: Callable[[], float] = random.random
    ) -> None:
        self._database = database
        self._timing = timing
        self._draw = draw

    def claim(self, now_s: float, room: Counter[str], limit: int) -> list[Claim]:
        """Take rows that are due, no more of a platform than there is room for."""
        with self._database.reading() as session:  # mostly there is nothing: take no write lock
            if session.scalars(select(LtiGrade.id).where(_due(now_s)).limit(1)).first() is None:
                return []
        full = [int(id) for id, count in room.items() if count >= PER_PLATFORM]
        with self._database.transaction() as session:
            rows = select(LtiGrade).where(_due(now_s), LtiGrade.platform_id.not_in(full))
            rows = rows.order_by(LtiGrade.due_at).limit(limit).with_for_update(skip_locked=True)
            claims = []
            for grade in session.scalars(rows):
                platform = str(grade.platform_id)
                if room[platform] < PER_PLATFORM and self._take(session, grade, now_s):
                    room[platform] += 1
                    claims.append(_claim(session, grade))
            return claims

    def _take(self, session: Session, grade: LtiGrade, now_s: float) -> bool:
        """Lease a row; False where its last holder died and its next step is not due yet."""
        row = read(grade)
        if grade.lease:
            row = interrupted(row, now_s, self._timing)
            write(session, grade, row, "interrupted", row.problem)
            grade.lease, grade.lease_until = "", None
        if row.due_s is None or row.due_s > now_s:
            return False
        write(session, grade, begin(row, now_s))
        grade.lease, grade.lease_until = secrets.token_hex(16), _moment(now_s + LEASE_S)
        return True

    def extend(self, leases: list[str], now_s: float) -> None:
        """Hold rows for longer; those that went to others meanwhile stay theirs."""
        until = _moment(now_s + LEASE_S)
        with self._database.transaction() as session:
            held = update(LtiGrade).where(LtiGrade.lease.in_(leases))
            session.execute(held.values(lease_until=until))

    def finish(self, claim: Claim, event: Event, now_s: float) -> bool:
        """Store what came of a step; False when the row went to another holder meanwhile."""
        with self._database.transaction() as session:
            grade = locked(session, LtiGrade.id == claim.id)
            if grade is None or grade.lease != claim.lease:
                return False
            row = after(read(grade), event, now_s, self._timing, self._draw())
            words = event.text if event.shown is None else f"it shows {event.shown}"
            write(session, grade, row, f"{claim.row.step}: {event.kind}", words)
            grade.lease, grade.lease_until = "", None
            return True


def offer(session: Session, grade: LtiGrade, score: Score) -> bool:
    """Put a decided grade into its locked row; return whether that changes anything."""
    row = read(grade) if grade.row else None
    asks_first = registry.get(session, grade.platform_id).family in OVERWRITING
    newer = decide(row, score, time.time(), asks_first=asks_first)
    if newer == row:
        return False
    write(session, grade, newer, "decided", f"{score.given:g} of {score.maximum:g}")
    return True


def resend(session: Session, grade: LtiGrade) -> None:
    """Start a locked row afresh because a person asked for it."""
    write(session, grade, send_again(read(grade), time.time()), "resend", "asked for by a person")


def locked(session: Session, *where: ColumnElement[bool]) -> LtiGrade | None:
    """Return a row that no other transaction changes until this one ends."""
    rows = select(LtiGrade).where(*where).with_for_update()
    return session.scalars(rows.execution_options(populate_existing=True)).one_or_none()


def read(grade: LtiGrade) -> Row:
    """Return the stored row."""
    return msgspec.json.decode(grade.row, type=Row)


def write(session: Session, grade: LtiGrade, row: Row, what: str = "", words: str = "") -> None:
    """Store a row, and what made it so."""
    grade.row = msgspec.json.encode(row).decode()
    grade.step, grade.problem = row.step, row.problem
    grade.due_at = None if row.due_s is None else _moment(row.due_s)
    grade.changed_at = now()
    if what:
        session.add(LtiGradeStep(grade_id=grade.id, at=now(), what=what, words=words))


def _due(now_s: float) -> ColumnElement[bool]:
    moment = _moment(now_s)
    free = and_(LtiGrade.lease == "", LtiGrade.due_at <= moment)
    blocked = select(LtiPlatform.id).where(LtiPlatform.blocked_at.is_not(None))
    may_be_sent = LtiGrade.platform_id.not_in(blocked)
    return and_(may_be_sent, or_(free, LtiGrade.lease_until <= moment))


def _claim(session: Session, grade: LtiGrade) -> Claim:
    link = session.get_one(LtiLink, grade.link_id)
    target = Target(
        platform=registry.get(session, grade.platform_id),
        line_item=grade.line_item,
        user=grade.user,
        scopes=tuple(link.scopes.split()) or names.SCOPES,
    )
    return Claim(id=grade.id, lease=grade.lease, row=read(grade), target=target)


def _moment(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)
