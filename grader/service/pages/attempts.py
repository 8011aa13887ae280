"""Look up what somebody handed in at a placement, and how far each of it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from litestar.exceptions import NotFoundException
from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session

from grader.model import Exercise
from grader.report.html.words import VERDICTS, Said
from grader.service.access import NOT_YOURS
from grader.service.lti import roll
from grader.service.lti.policy import Policy, percent_off
from grader.service.lti.roll import Tried
from grader.service.lti.tables import LtiAttempt, LtiLink
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
        state: "done" as soon as a result counts: while it is graded once more that one stays.
        verdict, score, max_score, exercise_digest: of the newest result that counts; "" and 0
            without one.
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
    exercise_digest: str = ""

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


def attempts(
    session: Session, link: LtiLink, user: str, *, exercise: str | None = None
) -> list[Attempt]:
    """Return what a user handed in at a placement, the oldest first.

    Args:
        exercise: one that the placement had before, in place of the one that it has.
    """
    tried = roll.of(session, link, user, exercise=exercise).get(user, [])
    rows = (
        select(Submission.digest, Grading)
        .join(Submission, Submission.id == Grading.submission_id)
        .where(Submission.id.in_([one.id for one in tried]))
    )
    found = {grading.submission_id: (digest, grading) for digest, grading in session.execute(rows)}
    return [_attempt(one, user, *found[one.id]) for one in tried if one.id in found]


def before(session: Session, link: LtiLink, user: str) -> dict[str, list[Attempt]]:
    """Return what a user handed in there at other exercises, by theirs: it counts no more."""
    rows = select(Submission.exercise).distinct().order_by(Submission.exercise)
    rows = rows.join(LtiAttempt, LtiAttempt.submission_id == Submission.id)
    rows = rows.where(
        LtiAttempt.link_id == link.id,
        LtiAttempt.user == user,
        Submission.exercise != link.exercise,
    )
    names = session.scalars(rows).all()
    return {name: attempts(session, link, user, exercise=name) for name in names}


def _attempt(tried: Tried, user: str, digest: str, grading: Grading) -> Attempt:
    judged = tried.judged
    return Attempt(
        id=tried.id,
        number=tried.number,
        user=user,
        submitted_at=tried.submitted_at,
        digest=digest,
        state=_state(grading) if judged is None else "done",
        verdict="" if judged is None else judged.verdict,
        score=0 if judged is None else judged.score,
        max_score=0 if judged is None else judged.max_score,
        exercise_digest="" if judged is None else judged.exercise_digest,
    )


def of_its_user(session: Session, link: LtiLink, submission_id: str) -> tuple[list[Attempt], str]:
    """Return the attempts of its user among which a submission is, and which exercise they are at.

    Raises:
        NotFoundException: it has been purged since the guard looked.
    """
    rows = select(LtiAttempt.user, Submission.exercise).join(
        Submission, Submission.id == LtiAttempt.submission_id
    )
    found = session.execute(rows.where(LtiAttempt.submission_id == submission_id)).first()
    if found is None:
        raise NotFoundException(NOT_YOURS)
    return attempts(session, link, found.user, exercise=found.exercise), found.exercise


def title(exercises: Mapping[str, Exercise], name: str) -> str:
    """Return what an exercise is called: its name where it is served no more."""
    return exercises[name].title if name in exercises else name


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
    counts = (Result.submission_id == submission_id, Result.held.is_(False))
    judged = session.scalar(select(Result.id).where(*counts).limit(1)) is not None
    state = "done" if judged else _state(grading)
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


def _state(grading: Grading) -> State:
    """Tell a grading that waits from one that is being graded: a try began since it may."""
    if grading.state in (DONE, PARKED):
        return "done" if grading.state == DONE else "parked"
    since, not_before = grading.waiting_since, grading.not_before
    since = since if not_before is None else max(since, not_before - _EARLY)
    began = grading.started_at
    return "running" if began is not None and began >= since else "waiting"
