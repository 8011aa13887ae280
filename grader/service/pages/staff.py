"""Write a page for staff: with the ways to the others, and what waits for somebody on each."""

from dataclasses import dataclass
from typing import Any

from litestar import Request, Response
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from grader.service.lti import changes, grades, roll
from grader.service.lti.tables import LtiGrade, LtiLink
from grader.service.lti.web import service_of
from grader.service.pages import trouble
from grader.service.pages.rendering import pages_of
from grader.service.pages.visit import Visit
from grader.service.tables import Result


@dataclass(frozen=True)
class Waiting:
    """What waits for somebody of the staff.

    Attributes:
        changes: held results, else grades that a new exercise would change; grades: those that
            the course did not take.
        trouble: submissions at which we failed, and messages that nobody took.
    """

    changes: int
    grades: int
    trouble: int


def page(
    request: Request[Any, Any, Any],
    visit: Visit,
    template: str,
    *,
    status: int = 200,
    **values: Any,
) -> Response[str]:
    """Return a page for staff."""
    service, link = service_of(request.app), visit.placement
    with service.database.reading() as session:
        waiting = _waiting(session, link)
    exercise = service.exercises.get(link.exercise)
    return pages_of(request.app).page(
        template, visit, status=status, waiting=waiting, exercise=exercise, **values
    )


def number(text: str) -> int:
    """Return which page is asked for: 1 where that is not understood."""
    return max(1, int(text)) if text.isdecimal() and text.isascii() and len(text) < 6 else 1


def _waiting(session: Session, link: LtiLink) -> Waiting:
    """Count in one query, and in one more where the exercise was replaced."""
    held = select(Result.id).where(Result.held, Result.submission_id.in_(roll.submissions(link)))
    refused = select(LtiGrade.id).where(
        LtiGrade.platform_id == link.platform_id,
        LtiGrade.line_item == link.line_item,
        LtiGrade.step == "parked",
    )
    counts = [_count(one) for one in (held, refused, trouble.parked(link), trouble.notices(link))]
    row = session.execute(select(*counts)).one()
    changed = row[0] or len(changes.of_exercise(session, link, grades.policy_of(link)))
    return Waiting(changes=changed, grades=row[1], trouble=row[2] + row[3])


def _count(rows: Select[Any]) -> Any:
    return select(func.count()).select_from(rows.subquery()).scalar_subquery()
