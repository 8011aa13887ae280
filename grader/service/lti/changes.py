"""Say whose grades would change, and why, before anything is published."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from grader.service.lti import policy, roll
from grader.service.lti.ags.score import Score
from grader.service.lti.policy import Attempt, Policy
from grader.service.lti.roll import Tried
from grader.service.lti.tables import LtiLink


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """An attempt that is judged otherwise: its number, and points and verdict of both."""

    submission: str
    number: int
    before: roll.Judged
    after: roll.Judged


@dataclass(frozen=True, kw_only=True)
class Counting:
    """Which attempt counts, by its number, and the percentage off it for lateness."""

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
    """Return whose grades the held results of a placement would change."""
    found = []
    for user, tried in roll.of(session, link).items():
        before = _counting(tried, roll.counted(tried), rules)
        after = _counting(tried, roll.counted(tried, with_held=True), rules)
        if after is not None and not _same(before, after):
            judgements = [
                Judgement(submission=one.id, number=one.number, before=one.judged, after=one.held)
                for one in tried
                if one.judged is not None and one.held is not None and _differ(one.judged, one.held)
            ]
            found.append(Change(user=user, before=before, after=after, judgements=judgements))
    return found


def of_policy(session: Session, link: LtiLink, old: Policy, new: Policy) -> list[Change]:
    """Return whose grades another policy would change."""
    found = []
    for user, tried in roll.of(session, link).items():
        attempts = roll.counted(tried)
        before, after = _counting(tried, attempts, old), _counting(tried, attempts, new)
        if after is not None and not _same(before, after):
            found.append(Change(user=user, before=before, after=after))
    return found


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
