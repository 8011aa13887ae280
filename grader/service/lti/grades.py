"""Decide what a student's grade is now, and hand it to the outbox."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from grader.service.core import Service
from grader.service.database import insert_once
from grader.service.lti import changes, policy, roll
from grader.service.lti.ags import store
from grader.service.lti.policy import Attempt, Policy
from grader.service.lti.tables import LtiAttempt, LtiGrade, LtiGradeStep, LtiLink
from grader.service.tables import Result, Submission, now


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
    """Decide the grade anew that a new result may change; while a placement is held, hold it back.

    The placement is locked against changes: whoever publishes, or changes the policy, either sees
    this result or is seen by it. A first result is never held: nobody had a grade to lose.
    """
    attempt = session.get(LtiAttempt, submission.id)
    if attempt is None:
        return
    link = locked(session, attempt.link_id, only_reads=True)
    if link.held and _was_judged(session, result):
        result.held = True
        return
    if submission.exercise == link.exercise:
        settle(session, link, attempt.user)
    elif link.line_item:
        _leave(session, link, attempt.user, result)


def _leave(session: Session, link: LtiLink, user: str, result: Result) -> None:
    """Note that a result decided nothing: it counts once its exercise is back, see changes.py."""
    words = f"{result.score} of {result.max_score}: the placement has another exercise"
    grade = _row(session, link, user)
    session.add(LtiGradeStep(grade_id=grade.id, at=now(), what=changes.LEFT, words=words))


def locked(session: Session, link_id: int, *, only_reads: bool = False) -> LtiLink:
    """Return a placement that nobody changes until this transaction ends.

    Args:
        only_reads: others may hold it as well who change nothing.
    """
    rows = select(LtiLink).where(LtiLink.id == link_id).with_for_update(read=only_reads)
    return session.scalars(rows.execution_options(populate_existing=True)).one()


def _was_judged(session: Session, result: Result) -> bool:
    earlier = (Result.submission_id == result.submission_id, Result.id != result.id)
    return (
        session.scalar(select(Result.id).where(*earlier, Result.held.is_(False)).limit(1))
        is not None
    )


def settle(session: Session, link: LtiLink, user: str) -> bool:
    """Decide a student's grade and return whether it changes what is to be sent.

    The row is locked before attempts are read: of two results at once, the later one sees both.
    """
    if not link.line_item:
        return False
    grade = _row(session, link, user)
    grade.link_id = link.id
    score = policy.decide(attempts(session, link, user), policy_of(link))
    return score is not None and store.offer(session, grade, score)


def _row(session: Session, link: LtiLink, user: str) -> LtiGrade:
    """Insert or find the row of a student in a placement's column, and lock it."""
    key = {"platform_id": link.platform_id, "line_item": link.line_item, "user": user}
    insert_once(session, LtiGrade, **key, link_id=link.id, changed_at=now())
    grade = store.locked(session, *(getattr(LtiGrade, name) == key[name] for name in key))
    assert grade is not None
    return grade


def settle_all(session: Session, link: LtiLink) -> int:
    """Decide every student's grade of a placement, as its policy or its column changed.

    Returns:
        How many grades that changes.
    """
    mine = LtiAttempt.submission_id.in_(roll.submissions(link))
    users = select(LtiAttempt.user).where(mine).distinct()
    in_order = sorted(session.scalars(users))  # of two at once, none waits for the other's lock
    return sum(settle(session, link, user) for user in in_order)


def move(session: Session, link: LtiLink, before: str) -> None:
    """Take the grades of a placement along from another column, or from its address before.

    Args:
        before: the column that it had; "" for none.
    """
    if not _is_made_of(link.line_item, before):
        settle_all(session, link)  # what was earned before belongs into the new column
        return
    here = LtiGrade.platform_id == link.platform_id
    there = select(LtiGrade.user).where(here, LtiGrade.line_item == link.line_item)
    rows = update(LtiGrade).where(here, LtiGrade.line_item == before, LtiGrade.user.not_in(there))
    session.execute(rows.values(line_item=link.line_item))


def _is_made_of(line_item: str, before: str) -> bool:
    """Whether a column is the one that Sakai made of an address, at its first score.

    lineitem/PLACEMENT is lineitems/PLACEMENT/NUMBER then; a placement begins with a SHA-256.
    """
    root, _, placement = before.rpartition("/lineitem/")
    is_placement = len(placement) > 64 and "/" not in placement
    return is_placement and line_item.startswith(f"{root}/lineitems/{placement}/")


def attempts(session: Session, link: LtiLink, user: str) -> Sequence[Attempt]:
    """Return a student's judged submissions, each by its newest result that counts."""
    return roll.counted(roll.of(session, link, user).get(user, []))


def policy_of(link: LtiLink) -> Policy:
    """Return how attempts count at a placement."""
    return msgspec.json.decode(link.policy, type=Policy)


def change_policy(service: Service, link_id: int, wanted: Policy) -> int:
    """Let attempts count otherwise at a placement, and return how many grades that changes."""

    def change(session: Session) -> int:
        link = locked(session, link_id)
        changed = changes.of_policy(session, link, policy_of(link), wanted)
        link.policy = msgspec.json.encode(wanted).decode()
        session.flush()
        for one in changed:  # by name: of two at once, none waits for the other's lock
            settle(session, link, one.user)
        return len(changed)

    return service.database.do(change)
