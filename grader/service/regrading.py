"""Let submissions wait for grading once more; what was recorded stays until there is better."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from grader.errors import UsageError
from grader.service import results
from grader.service.core import Service, exercise_called
from grader.service.fairness import BULK, INTERACTIVE, next_turn
from grader.service.tables import WAITING, Grading, Submission, now

_AT_ONCE = 100
"""Submissions in one transaction: it holds up deliveries for as long as it takes."""
_SHOWN = 20
"""Senders or courses that are named to whoever named another one."""


def regrade(service: Service, submission_id: str) -> bool:
    """Let one submission wait again; return False where it waits already, or is not there.

    Under an exercise that has not changed, what is judged stays judged: the result is found, and
    nothing runs. A parked one gets new tries.
    """
    waits = service.database.do(
        lambda session: _wait_again(service, session, submission_id, INTERACTIVE)
    )
    service.dispatch.wake()
    return waits


def regrade_many(service: Service, submission_ids: Sequence[str]) -> int:
    """Let many submissions wait again, behind everything that somebody waits for.

    Returns:
        How many now wait that did not.
    """
    total = 0
    for start in range(0, len(submission_ids), _AT_ONCE):
        some = submission_ids[start : start + _AT_ONCE]
        total += service.database.do(
            lambda session, some=some: sum(  # type: ignore[misc]
                _wait_again(service, session, one, BULK) for one in some
            )
        )
    service.dispatch.wake()
    return total


def outdated(service: Service, exercise: str, *, source: str = "", course: str = "") -> list[str]:
    """Return the submissions that this version of an exercise has not judged last, oldest first.

    Args:
        source, course: only of these; "" for all.

    Raises:
        UsageError: there is no such exercise, or no submission of this source or course.
    """
    judged = results.newest_of(exercise_called(exercise, service.exercises).digest)
    rows = select(Submission.id).where(Submission.exercise == exercise)
    rows = rows.where(Submission.id.not_in(judged))
    for column, value in ((Submission.source, source), (Submission.course, course)):
        rows = rows.where(column == value) if value else rows
    with service.database.reading() as session:
        _refuse_strangers(session, Submission.source, source)
        _refuse_strangers(session, Submission.course, course)
        return list(session.scalars(rows.order_by(Submission.received_at)))


def _refuse_strangers(session: Session, column: InstrumentedAttribute[str], value: str) -> None:
    """Refuse a sender or a course that no submission has: by a slip nothing would be regraded."""
    if not value or session.scalars(select(column).where(column == value).limit(1)).first():
        return
    known = session.scalars(select(column).distinct().order_by(column).limit(_SHOWN)).all()
    raise UsageError(
        f"no submission has {column.key} {value!r}; there are: {', '.join(known) or 'none'}"
    )


def _wait_again(service: Service, session: Session, submission_id: str, lane: int) -> bool:
    rows = select(Grading).where(Grading.submission_id == submission_id)
    grading = session.scalars(rows.with_for_update()).one_or_none()
    if grading is None or grading.state == WAITING:
        return False
    grading.turn = next_turn(session, grading.course_key, lane)
    grading.lane, grading.state, grading.round = lane, WAITING, grading.round + 1
    grading.tries, grading.problem, grading.not_before = 0, "", None
    grading.waiting_since = now()
    session.flush()
    service.dispatch.enqueue(session, grading)
    return True
