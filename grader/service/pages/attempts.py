"""Look up what somebody handed in at a placement, and how far each of it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session

from grader.report.html.words import VERDICTS, Said
from grader.service.lti.policy import Policy, percent_off
from grader.service.lti.tables import LtiAttempt
from grader.service.tables import DONE, PARKED, WAITING, Grading, Result, Submission

State = Literal["waiting", "running", "done", "parked"]
FINAL: tuple[State, ...] = ("done", "parked")
MOST_BEFORE = 1000
"""How far a queue is counted."""

_EARLY = timedelta(seconds=2)
"""A try may begin so much before its time: see grading.py."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One submission of somebody, without its files and its report.

    Attributes:
        number: counted from 1, in the order of their arrival.
        verdict, score, max_score: of the newest result; "" and 0 without one.
    """

    id: str
    number: int
    user: str
    submitted_at: datetime
    digest: str
    state: State
    verdict: str = ""
    score: int = 0
    max_score: int = 0

    @property
    def is_final(self) -> bool:
        """Whether nothing changes by itself any more."""
        return self.state in FINAL

    @property
    def is_graded(self) -> bool:
        """Whether there is a score that says something about what was handed in."""
        return self.state == "done" and self.verdict not in ("", "internal_error")

    @property
    def said(self) -> Said:
        """The verdict in words."""
        return VERDICTS["internal_error" if self.state == "parked" else self.verdict]  # type: ignore[index]

    def off(self, policy: Policy) -> float:
        """Return the percentage that lateness takes off."""
        return percent_off(policy, self.submitted_at.timestamp())


def attempts(session: Session, link_id: int, user: str) -> list[Attempt]:
    """Return what a user handed in at a placement, the oldest first."""
    newest = (
        select(Result.submission_id, func.max(Result.id).label("id"))
        .join(LtiAttempt, LtiAttempt.submission_id == Result.submission_id)
        .where(LtiAttempt.link_id == link_id, LtiAttempt.user == user)
        .group_by(Result.submission_id)
        .subquery()
    )
    rows = (
        select(
            *(Submission.id, Submission.submitted_at, Submission.digest),
            *(Grading.state, Grading.started_at, Grading.waiting_since, Grading.not_before),
            *(Result.verdict, Result.score, Result.max_score),
        )
        .join(LtiAttempt, LtiAttempt.submission_id == Submission.id)
        .join(Grading, Grading.submission_id == Submission.id)
        .outerjoin(newest, newest.c.submission_id == Submission.id)
        .outerjoin(Result, Result.id == newest.c.id)
        .where(LtiAttempt.link_id == link_id, LtiAttempt.user == user)
        .order_by(Submission.received_at, Submission.id)
    )
    return [
        Attempt(
            id=one.id,
            number=number,
            user=user,
            submitted_at=one.submitted_at,
            digest=one.digest,
            state=_state(one.state, one.started_at, one.waiting_since, one.not_before),
            verdict=one.verdict or "",
            score=one.score or 0,
            max_score=one.max_score or 0,
        )
        for number, one in enumerate(session.execute(rows), 1)
    ]


def one_of(listed: Sequence[Attempt], submission_id: str) -> Attempt | None:
    """Return one of them."""
    return next((one for one in listed if one.id == submission_id), None)


@dataclass(frozen=True)
class Place:
    """How far a submission is, as it is looked up again and again.

    Attributes:
        before: gradings that go before it while it waits, counted up to MOST_BEFORE.
    """

    state: State
    before: int = 0

    @property
    def key(self) -> str:
        """Text that changes with what there is to show."""
        return f"{self.state}-{self.before}"


def place_of(session: Session, submission_id: str) -> Place | None:
    """Return how far a submission is; None when it is gone."""
    grading = session.scalar(select(Grading).where(Grading.submission_id == submission_id))
    if grading is None:
        return None
    state = _state(grading.state, grading.started_at, grading.waiting_since, grading.not_before)
    if state != "waiting":
        return Place(state)
    ahead = _ahead(grading).limit(MOST_BEFORE).subquery()
    return Place(state, session.scalar(select(func.count()).select_from(ahead)) or 0)


def _ahead(grading: Grading) -> Select[int]:
    """Return the gradings that go first: of a lower lane, then of a lower turn, then by arrival."""
    earlier = and_(Grading.turn == grading.turn, Grading.id < grading.id)
    same_lane = and_(Grading.lane == grading.lane, or_(Grading.turn < grading.turn, earlier))
    first = or_(Grading.lane < grading.lane, same_lane)
    return select(Grading.id).where(Grading.state == WAITING, first)


def _state(
    state: str, started_at: datetime | None, waiting_since: datetime, not_before: datetime | None
) -> State:
    """Tell a grading that waits from one that is being graded: a try began since it may."""
    if state == DONE:
        return "done"
    if state == PARKED:
        return "parked"
    since = waiting_since if not_before is None else max(waiting_since, not_before - _EARLY)
    return "running" if started_at is not None and started_at >= since else "waiting"
