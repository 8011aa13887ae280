"""Say whose grades would change, and why, before anything is published.

What the course has of a student may be another grade than the one that counts: when a placement's
exercise is replaced in the course, nobody can be shown what that changes, so nothing is sent. What
it has stays until staff publish the other one, having seen it here, or a result comes of what the
student hands in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from grader.service.lti import policy, roll
from grader.service.lti.ags import store
from grader.service.lti.ags.score import Score
from grader.service.lti.policy import Attempt, Policy
from grader.service.lti.roll import Tried
from grader.service.lti.tables import LtiAttempt, LtiGrade, LtiGradeStep, LtiLink
from grader.service.tables import Submission

LEFT = "not decided"
"""What a step is called where a result came of another exercise than the placement has."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """An attempt that is judged otherwise: its number, and points and verdict of both."""

    submission: str
    number: int
    before: roll.Judged
    after: roll.Judged


@dataclass(frozen=True, kw_only=True)
class Counting:
    """Which attempt counts, by its number, and the percentage off it for lateness.

    The number is 0 for what the course has since before the exercise was replaced.
    """

    number: int
    percent_off: float
    score: Score


@dataclass(frozen=True, kw_only=True)
class Change:
    """What would change for a student.

    Attributes:
        before: None where nothing counted.
        judgements: of the attempts whose result is another, whether or not they count.
    """

    user: str
    before: Counting | None
    after: Counting
    judgements: Sequence[Judgement] = ()


def of_regrading(session: Session, link: LtiLink, rules: Policy) -> list[Change]:
    """Return whose grades the held results of a placement would change, or its new exercise."""
    return _changes(session, link, rules, rules, with_held=True)


def of_policy(session: Session, link: LtiLink, old: Policy, new: Policy) -> list[Change]:
    """Return whose grades another policy would change."""
    return _changes(session, link, old, new)


def of_exercise(session: Session, link: LtiLink, rules: Policy) -> list[Change]:
    """Return whose grades the new exercise of a placement would change, held results aside."""
    return _changes(session, link, rules, rules) if _was_replaced(session, link) else []


def staying(session: Session, link: LtiLink) -> int:
    """Count the grades of another exercise whose students have no attempt here that counts."""
    told = _told(session, link)
    if told is None:
        return 0
    counting = {user for user, tried in roll.of(session, link).items() if roll.counted(tried)}
    return len(told.keys() - counting)


def _changes(
    session: Session, link: LtiLink, old: Policy, new: Policy, *, with_held: bool = False
) -> list[Change]:
    told, found = _told(session, link), []
    for user, tried in roll.of(session, link).items():
        before = _counting(tried, roll.counted(tried), old)
        before = before if told is None else _has(told.get(user), before)
        after = _counting(tried, roll.counted(tried, with_held=with_held), new)
        if after is not None and not _same(before, after):
            judgements = _judgements(tried) if with_held else []
            found.append(Change(user=user, before=before, after=after, judgements=judgements))
    return found


def _was_replaced(session: Session, link: LtiLink) -> bool:
    """Whether there was another exercise when something was handed in, or judged.

    Then the course may have grades of that one, or none of what was judged meanwhile.
    """
    if not link.line_item:
        return False
    attempts = select(LtiAttempt.link_id).join(
        Submission, Submission.id == LtiAttempt.submission_id
    )
    others = (LtiAttempt.link_id == link.id, Submission.exercise != link.exercise)
    left = select(LtiGradeStep.id).join(LtiGrade, LtiGrade.id == LtiGradeStep.grade_id)
    left = left.where(*_in_column(link), LtiGradeStep.what == LEFT)
    return bool(session.scalar(select(attempts.where(*others).exists() | left.exists())))


def _told(session: Session, link: LtiLink) -> dict[str, Score] | None:
    """Return by user what the course has, or is to have; None where that is what counts."""
    if not _was_replaced(session, link):
        return None
    rows = select(LtiGrade).where(*_in_column(link), LtiGrade.row != "")
    return {grade.user: store.read(grade).wanted for grade in session.scalars(rows)}


def _in_column(link: LtiLink) -> tuple[ColumnElement[bool], ...]:
    return LtiGrade.platform_id == link.platform_id, LtiGrade.line_item == link.line_item


def _has(told: Score | None, counting: Counting | None) -> Counting | None:
    """Return what the course has: of the attempt that counts, or from before."""
    if told is None:
        return None
    if counting is not None and counting.score.same_grade(told):
        return counting
    return Counting(number=0, percent_off=0.0, score=told)


def _judgements(tried: Sequence[Tried]) -> list[Judgement]:
    return [
        Judgement(submission=one.id, number=one.number, before=one.judged, after=one.held)
        for one in tried
        if one.judged is not None and one.held is not None and _differ(one.judged, one.held)
    ]


def _counting(
    tried: Sequence[Tried], attempts: Sequence[Attempt], rules: Policy
) -> Counting | None:
    found = policy.counting(attempts, rules)
    if found is None:
        return None
    attempt, score = found
    numbers = {one.id: one.number for one in tried}
    off = policy.percent_off(rules, attempt.submitted_s)
    return Counting(number=numbers[attempt.id], percent_off=off, score=score)


def _same(before: Counting | None, after: Counting) -> bool:
    return before is not None and before.score.same_grade(after.score)


def _differ(before: roll.Judged, after: roll.Judged) -> bool:
    return (before.verdict, before.score) != (after.verdict, after.score)
