"""Let courses take turns: a fair queue by virtual time.

Every waiting grading has a turn, and the lowest turn of the lowest lane goes first. A course's next
grading gets the turn after its last waiting one; a course with nothing waiting starts at the turn
that is being served. So among courses the order is round robin, and a single submission stands
behind at most one grading of each other course, however many those have queued.

Two acceptances at the same moment may draw the same turn; the order of arrival decides then.
"""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from grader.service.tables import WAITING, Grading, Submission

INTERACTIVE, BULK = 0, 1


def course_key(submission: Submission) -> str:
    """Name a course: its id means nothing outside of its source."""
    return f"{submission.source}\n{submission.course}"


def next_turn(session: Session, course: str, lane: int) -> int:
    """Return the turn of a course's next grading."""
    waiting = (Grading.state == WAITING) & (Grading.lane == lane)
    lowest = select(func.min(Grading.turn)).where(waiting).scalar_subquery()
    last = select(func.max(Grading.turn)).where(waiting, Grading.course_key == course)
    served: int
    own: int | None
    served, own = session.execute(select(func.coalesce(lowest, 0), last.scalar_subquery())).one()
    return served if own is None else max(served, own + 1)
