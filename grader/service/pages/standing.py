"""Say what counts at a placement, which grade somebody has there, and where that grade is."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.service.lti import grades, policy
from grader.service.lti.ags import store
from grader.service.lti.ags.score import Score
from grader.service.lti.policy import Policy
from grader.service.lti.tables import LtiGrade, LtiLink


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Somebody's grade at a placement.

    Attributes:
        score: None without a graded attempt; counts: id of the submission that makes it.
        sent: how far it is: "none" (nothing to send), "nowhere" (no column), "waiting", "sent" or
            "parked".
        told: what the course was told, at `told_at`; for "sent" alone.
    """

    score: Score | None
    sent: str
    counts: str = ""
    told: Score | None = None
    told_at: datetime | None = None


def standing(
    session: Session, link: LtiLink, user: str, *, exercise: str | None = None
) -> Standing:
    """Return somebody's grade, and where it is.

    Args:
        exercise: whose attempts are shown: of one that the placement had before none counts.
    """
    if exercise not in (None, link.exercise):
        return Standing(score=None, sent="none")
    found = policy.counting(grades.attempts(session, link, user), grades.policy_of(link))
    if found is None:
        return Standing(score=None, sent="none")
    counts, score = found[0].id, found[1]
    if not link.line_item:
        return Standing(score=score, counts=counts, sent="nowhere")
    rows = select(LtiGrade).where(
        LtiGrade.platform_id == link.platform_id,
        LtiGrade.line_item == link.line_item,
        LtiGrade.user == user,
    )
    grade = session.scalars(rows).one_or_none()
    row = store.read(grade) if grade is not None and grade.row else None
    if row is None or row.step != "done":
        parked = row is not None and row.step == "parked"
        return Standing(score=score, counts=counts, sent="parked" if parked else "waiting")
    return Standing(
        score=score,
        counts=counts,
        sent="sent",
        told=row.sent or row.wanted,
        told_at=datetime.fromtimestamp(row.stamp_s, UTC),
    )


def rules(found: Policy, whose: str = "Your") -> list[str]:
    """Say which attempt counts and what lateness costs, one sentence each, without the moment."""
    said = [f"{whose} {found.keep} attempt counts."]
    if found.due_s is None or not found.percent_off_per_day:
        return said
    if found.grace_minutes:
        said.append(f"Nothing is taken off for the first {found.grace_minutes:g} minutes after it.")
    off = f"Then {found.percent_off_per_day:g} % of the points are taken off for each day begun"
    capped = found.most_percent_off < 100
    said.append(f"{off}, at most {found.most_percent_off:g} %." if capped else f"{off}.")
    return said


def due(found: Policy) -> datetime | None:
    """Return when it is due."""
    return None if found.due_s is None else datetime.fromtimestamp(found.due_s, UTC)
