"""Let submissions wait for grading once more; what was recorded stays until there is better."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.service.core import Service
from grader.service.fairness import BULK, INTERACTIVE, next_turn
from grader.service.tables import WAITING, Grading, now


def regrade(service: Service, submission_id: str) -> bool:
    """Let one submission wait again; return False where it waits already, or is not there.

    Under an exercise that has not changed, what is judged stays judged: the result is found, and
    nothing runs. A parked one gets new tries.
    """
    with service.database.transaction() as session:
        waits = _wait_again(service, session, submission_id, INTERACTIVE)
    service.dispatch.wake()
    return waits


def regrade_many(service: Service, submission_ids: Iterable[str]) -> int:
    """Let many submissions wait again, behind everything that somebody waits for.

    Returns:
        How many now wait that did not.
    """
    total = 0
    for submission_id in submission_ids:
        with service.database.transaction() as session:
            total += _wait_again(service, session, submission_id, BULK)
    service.dispatch.wake()
    return total


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
