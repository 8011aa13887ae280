"""Look up what everybody handed in at a placement, and what came of it: in one query."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from grader.report.html.words import VERDICTS, Said
from grader.service.lti.policy import Attempt
from grader.service.lti.tables import LtiAttempt, LtiLink
from grader.service.tables import Grading, Result, Submission

_OURS = "internal_error"
"""A failure of ours says nothing about the student: no grade is made of it."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What came of a submission, without the report."""

    id: int
    verdict: str
    score: int
    max_score: int
    misconception: str
    exercise_digest: str
    recorded_at: datetime

    @property
    def is_graded(self) -> bool:
        """Whether a grade may be made of it."""
        return self.verdict != _OURS and self.max_score > 0

    @property
    def said(self) -> Said:
        """The verdict in words."""
        return VERDICTS[self.verdict]  # type: ignore[index]


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One submission of somebody, without its files.

    Attributes:
        number: counted from 1, in the order of their arrival.
        state, problem: of its grading.
        judged: the newest result that counts; held: a newer one that does not yet.
    """

    id: str
    number: int
    submitted_at: datetime
    state: str
    problem: str
    judged: Judged | None = None
    held: Judged | None = None


def here(link: LtiLink, exercise: str | None = None) -> tuple[ColumnElement[bool], ...]:
    """Hold for attempts at the exercise that a placement has now: no others count.

    Args:
        exercise: another one that it had before.
    """
    return LtiAttempt.link_id == link.id, Submission.exercise == (exercise or link.exercise)


def submissions(link: LtiLink) -> Select[str]:
    """Return the ids of the submissions that count at a placement."""
    rows = select(Submission.id).join(LtiAttempt, LtiAttempt.submission_id == Submission.id)
    return rows.where(*here(link))


def of(
    session: Session, link: LtiLink, user: str | None = None, *, exercise: str | None = None
) -> dict[str, list[Tried]]:
    """Return the submissions that count at a placement by user, each the oldest first.

    Args:
        user: only this one's; None for everybody's.
        exercise: one that the placement had before, in place of the one that it has.
    """
    rows = (
        select(
            *(LtiAttempt.user, Submission.id, Submission.submitted_at),
            *(Grading.state, Grading.problem),
            *(Result.id.label("result"), Result.verdict, Result.score, Result.max_score),
            *(Result.misconception, Result.exercise_digest, Result.held, Result.recorded_at),
        )
        .join(Submission, Submission.id == LtiAttempt.submission_id)
        .join(Grading, Grading.submission_id == LtiAttempt.submission_id)
        .outerjoin(Result, Result.submission_id == LtiAttempt.submission_id)
        .where(*here(link, exercise))
        .order_by(LtiAttempt.user, Submission.received_at, Submission.id, Result.id)
    )
    if user is not None:
        rows = rows.where(LtiAttempt.user == user)
    kept: dict[str, dict[str, Tried]] = {}
    for row in session.execute(rows):
        own = kept.setdefault(row.user, {})
        before = own.get(row.id)
        own[row.id] = _with(row, len(own) + 1 if before is None else before.number, before)
    return {name: list(own.values()) for name, own in kept.items()}


def counted(tried: Iterable[Tried], *, with_held: bool = False) -> list[Attempt]:
    """Return those that a grade is decided of.

    Args:
        with_held: as if the held results counted already.
    """
    found = []
    for one in tried:
        judged = one.held or one.judged if with_held else one.judged
        if judged is not None and judged.is_graded:
            found.append(
                Attempt(
                    given=float(judged.score),
                    maximum=float(judged.max_score),
                    submitted_s=one.submitted_at.timestamp(),
                    id=one.id,
                )
            )
    return found


def _with(row: Any, number: int, before: Tried | None) -> Tried:
    """Return what a row says; its result is newer than those before it."""
    found = None
    if row.result is not None:
        found = Judged(
            id=row.result,
            verdict=row.verdict,
            score=row.score,
            max_score=row.max_score,
            misconception=row.misconception,
            exercise_digest=row.exercise_digest,
            recorded_at=row.recorded_at,
        )
    judged = None if before is None else before.judged
    return Tried(
        id=row.id,
        number=number,
        submitted_at=row.submitted_at,
        state=row.state,
        problem=row.problem,
        judged=judged if row.held else found,
        held=found if row.held else None,
    )
