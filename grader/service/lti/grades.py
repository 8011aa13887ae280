"""Decide what a student's grade is now, and hand it to the outbox."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from grader.service.core import Service
from grader.service.database import insert_once
from grader.service.lti import policy
from grader.service.lti.ags import store
from grader.service.lti.ags.score import Score
from grader.service.lti.policy import Attempt, Policy
from grader.service.lti.tables import LtiAttempt, LtiGrade, LtiLink
from grader.service.tables import Result, Submission, now

_OURS = "internal_error"
"""A failure of ours says nothing about the student: no grade is made of it."""


def count_for(session: Session, submission: Submission, link: LtiLink) -> None:
    """Let a submission count for a placement's grade."""
    insert_once(
        session,
        LtiAttempt,
        submission_id=submission.id,
        link_id=link.id,
        user=submission.user,
    )


def plan(service: Service, session: Session, submission: Submission, result: Result) -> None:
    """Decide the grade anew that a new result may change."""
    attempt = session.get(LtiAttempt, submission.id)
    if attempt is not None:
        settle(session, session.get_one(LtiLink, attempt.link_id), attempt.user)


def settle(session: Session, link: LtiLink, user: str) -> bool:
    """Decide a student's grade and return whether it changes what is to be sent.

    The row is locked before attempts are read: of two results at once, the later one sees both.
    """
    if not link.line_item or link.held:
        return False
    key = {"platform_id": link.platform_id, "line_item": link.line_item, "user": user}
    insert_once(session, LtiGrade, **key, link_id=link.id, changed_at=now())
    grade = store.locked(session, *(getattr(LtiGrade, name) == key[name] for name in key))
    assert grade is not None
    grade.link_id = link.id
    score = policy.decide(attempts(session, link, user), policy_of(link))
    return score is not None and store.offer(session, grade, score)


def settle_all(session: Session, link: LtiLink) -> int:
    """Decide every student's grade of a placement, as its policy or its column changed.

    Returns:
        How many grades that changes.
    """
    users = select(LtiAttempt.user).where(LtiAttempt.link_id == link.id).distinct()
    in_order = sorted(session.scalars(users))  # of two at once, none waits for the other's lock
    return sum(settle(session, link, user) for user in in_order)


@dataclass(frozen=True, kw_only=True)
class Change:
    """What publishing would change for a student; `before` is None where nothing was sent."""

    user: str
    before: Score | None
    after: Score


def changes(session: Session, link: LtiLink) -> list[Change]:
    """Return whose grades would change if the held ones of a placement were let go."""
    users = select(LtiAttempt.user).where(LtiAttempt.link_id == link.id).distinct()
    rows = select(LtiGrade).where(
        LtiGrade.platform_id == link.platform_id, LtiGrade.line_item == link.line_item
    )
    sent = {one.user: store.read(one).wanted for one in session.scalars(rows) if one.row}
    found = []
    for user in sorted(session.scalars(users)):
        score, before = (
            policy.decide(attempts(session, link, user), policy_of(link)),
            sent.get(user),
        )
        if score is not None and (before is None or not score.same_grade(before)):
            found.append(Change(user=user, before=before, after=score))
    return found


def publish(session: Session, link: LtiLink) -> int:
    """Let held grades go, and return how many that changes."""
    link.held = False
    session.flush()
    return settle_all(session, link)


def attempts(session: Session, link: LtiLink, user: str) -> Sequence[Attempt]:
    """Return a student's judged submissions, each by its newest result."""
    newest = (
        select(func.max(Result.id))
        .join(LtiAttempt, LtiAttempt.submission_id == Result.submission_id)
        .where(LtiAttempt.link_id == link.id, LtiAttempt.user == user, Result.verdict != _OURS)
        .group_by(Result.submission_id)
    )
    rows = select(Result, Submission).join(Submission, Submission.id == Result.submission_id)
    return [
        Attempt(
            given=float(result.score),
            maximum=float(result.max_score),
            submitted_s=submission.submitted_at.timestamp(),
        )
        for result, submission in session.execute(rows.where(Result.id.in_(newest)))
        if result.max_score > 0
    ]


def policy_of(link: LtiLink) -> Policy:
    """Return how attempts count at a placement."""
    return msgspec.json.decode(link.policy, type=Policy)
