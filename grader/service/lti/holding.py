"""Grade a placement once more, and hold what comes of it until staff has seen what it changes.

    begin -> waiting ... -> held results -- publish --> they count, changed grades are sent
                                         '- discard --> they are deleted, nothing has happened
What is handed in meanwhile is graded and counts as ever: only what replaces a result is held.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, ScalarSelect, delete, exists, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from grader.service import regrading, results
from grader.service.core import Service
from grader.service.lti import changes, grades, roll
from grader.service.lti.tables import LtiLink
from grader.service.tables import DONE, PARKED, WAITING, Grading, Result, Submission


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a regrade is.

    Attributes:
        waiting: submissions that are still to be graded again.
        stoppable: those of them that nobody has begun.
        held: those that were; failed: those at which we failed: their older results stay.
    """

    waiting: int
    stoppable: int
    held: int
    failed: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.waiting + self.held + self.failed


class StillGrading(Exception):
    """Nothing is published or discarded while some are still being graded."""


def outdated(service: Service, session: Session, link: LtiLink) -> list[str]:
    """Return those that another version of the exercise has judged last, the oldest first."""
    exercise = service.exercises.get(link.exercise)
    if exercise is None:
        return []
    judged = results.newest_of(exercise.digest)
    rows = roll.submissions(link).where(Submission.id.not_in(judged), _has_result(Submission.id))
    return list(session.scalars(rows.order_by(Submission.received_at)))


def begin(service: Service, link_id: int, submission_id: str = "") -> int:
    """Let outdated submissions of a placement be graded again, and hold what comes of it.

    Args:
        submission_id: only this one; "" for all of them.

    Returns:
        How many now wait.
    """

    def chosen(session: Session, link: LtiLink) -> list[str]:
        found = outdated(service, session, link)
        return [id for id in found if submission_id in ("", id)]

    return _again(service, link_id, chosen)


def retry(service: Service, link_id: int, submission_ids: Sequence[str]) -> int:
    """Let submissions at which we failed be graded again, and hold what replaces a result.

    Returns:
        How many now wait.
    """
    return _again(service, link_id, lambda session, link: submission_ids)


def _again(
    service: Service, link_id: int, chosen: Callable[[Session, LtiLink], Sequence[str]]
) -> int:
    """Let submissions wait again, their placement held where one of them has a result to lose."""

    def hold(session: Session) -> tuple[Sequence[str], bool]:
        link = grades.locked(session, link_id)
        wanted = chosen(session, link)
        judged = session.scalars(roll.submissions(link).where(_has_result(Submission.id)))
        replaces = not set(wanted).isdisjoint(judged)
        link.held = link.held or replaces
        return wanted, replaces

    wanted, replaces = service.database.do(hold)
    waiting = regrading.regrade_many(service, wanted)
    if waiting and replaces:  # somebody may have published meanwhile, as nothing waited yet
        service.database.do(lambda session: _hold(session, link_id))
    return waiting


def _hold(session: Session, link_id: int) -> None:
    grades.locked(session, link_id).held = True


def progress(session: Session, link: LtiLink) -> Progress:
    """Return how far a placement's regrade is."""
    again = _regraded(link)

    def count(*where: ColumnElement[bool]) -> ScalarSelect[int]:
        return select(func.count(Grading.id)).where(*again, *where).scalar_subquery()

    held = Result.submission_id.in_(roll.submissions(link)) & Result.held
    row = session.execute(
        select(
            count(Grading.state == WAITING),
            count(Grading.state == WAITING, Grading.tries == 0),
            select(func.count(Result.id)).where(held).scalar_subquery(),
            count(Grading.state == PARKED),
        )
    ).one()
    return Progress(waiting=row[0], stoppable=row[1], held=row[2], failed=row[3])


def stop(service: Service, link_id: int) -> int:
    """Let those not be graded again that nobody has begun; return how many those are."""

    def give_up(session: Session) -> int:
        link = session.get_one(LtiLink, link_id)  # not locked: a worker may wait for that lock
        waiting = update(Grading).where(
            *_regraded(link), Grading.state == WAITING, Grading.tries == 0
        )
        stopped = session.execute(waiting.values(state=DONE).returning(Grading.id)).all()
        return len(stopped)

    return service.database.do(give_up)


def publish(service: Service, link_id: int) -> int:
    """Let held results count, and return how many grades that changes.

    Raises:
        StillGrading: some are still being graded.
    """

    def let_go(session: Session) -> int:
        link = _at_rest(session, link_id)
        changed = changes.of_regrading(session, link, grades.policy_of(link))
        held = update(Result).where(Result.held, Result.submission_id.in_(roll.submissions(link)))
        session.execute(held.values(held=False).execution_options(synchronize_session=False))
        link.held = False
        session.flush()
        for change in changed:  # by name: of two at once, none waits for the other's lock
            grades.settle(session, link, change.user)
        return len(changed)

    return service.database.do(let_go)


def discard(service: Service, link_id: int) -> int:
    """Delete held results, and return how many there were.

    Those at which we failed are done again: their older results stay, nothing is to be tried.

    Raises:
        StillGrading: some are still being graded.
    """

    def drop(session: Session) -> int:
        link = _at_rest(session, link_id)
        held = delete(Result).where(Result.held, Result.submission_id.in_(roll.submissions(link)))
        dropped = session.execute(held.returning(Result.id)).all()
        failed = update(Grading).where(*_regraded(link), Grading.state == PARKED)
        session.execute(failed.values(state=DONE, problem=""))
        link.held = False
        return len(dropped)

    return service.database.do(drop)


def _at_rest(session: Session, link_id: int) -> LtiLink:
    link = grades.locked(session, link_id)
    if progress(session, link).waiting:
        raise StillGrading
    return link


def _regraded(link: LtiLink) -> tuple[ColumnElement[bool], ...]:
    """Name the gradings of a placement that are there to replace a result."""
    mine = Grading.submission_id.in_(roll.submissions(link))
    return mine, Grading.round > 1, _has_result(Grading.submission_id)


def _has_result(submission_id: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    return exists().where(Result.submission_id == submission_id, Result.held.is_(False))
