"""Courses take turns; nobody's single submission waits for another course's thousands."""

from collections.abc import Callable

from sqlalchemy import select, update

from grader.service import regrading, submissions
from grader.service.core import Service
from grader.service.dispatch import NoDispatch
from grader.service.fairness import BULK, INTERACTIVE
from grader.service.submissions import Incoming
from grader.service.tables import DONE, WAITING, Grading, Submission

Made = Callable[..., Incoming]


def accept(service: Service, made: Incoming, lane: int = INTERACTIVE) -> str:
    with service.database.transaction() as session:
        return submissions.accept(session, made, NoDispatch(), lane=lane).id


def order(service: Service) -> list[str]:
    """Return the courses in the order in which their gradings go."""
    rows = select(Submission.course).join(Grading, Grading.submission_id == Submission.id)
    rows = rows.where(Grading.state == WAITING)
    with service.database.reading() as session:
        return list(session.scalars(rows.order_by(Grading.lane, Grading.turn, Grading.id)))


def finish_first(service: Service) -> None:
    rows = select(Grading).where(Grading.state == WAITING)
    with service.database.transaction() as session:
        first = rows.order_by(Grading.lane, Grading.turn, Grading.id).limit(1)
        session.scalars(first).one().state = DONE


def test_a_single_submission_waits_for_at_most_one_of_each_other_course(
    service: Service, incoming: Made
) -> None:
    for number in range(50):
        accept(service, incoming(user=str(number), course="large"))
    for _ in range(20):  # they have been at it for a while
        finish_first(service)
    accept(service, incoming(course="small"))
    assert order(service).index("small") <= 1


def test_backlogged_courses_alternate(service: Service, incoming: Made) -> None:
    for course in ("a", "b", "c"):
        for number in range(4):
            accept(service, incoming(user=str(number), course=course))
    assert order(service) == ["a", "b", "c"] * 4


def test_who_was_idle_has_saved_nothing_up(service: Service, incoming: Made) -> None:
    """A course that starts late takes turns with the others from now on."""
    for number in range(10):
        accept(service, incoming(user=str(number), course="early"))
    for _ in range(5):
        finish_first(service)
    for number in range(5):
        accept(service, incoming(user=str(number), course="late"))
    first = order(service)[:6]
    assert first.count("early") == first.count("late") == 3


def test_the_same_course_id_of_two_sources_is_two_courses(service: Service, incoming: Made) -> None:
    for number in range(5):
        accept(service, incoming(user=str(number), source="one"))
    other = accept(service, incoming(source="two"))
    rows = select(Grading.submission_id).order_by(Grading.lane, Grading.turn, Grading.id)
    with service.database.reading() as session:
        assert list(session.scalars(rows)).index(other) <= 1


def test_five_thousand_regrades_stand_behind_whoever_waits(
    service: Service, incoming: Made
) -> None:
    with service.database.transaction() as session:
        graded = [
            submissions.accept(
                session, incoming(user=str(number), course="large"), NoDispatch(), lane=INTERACTIVE
            ).id
            for number in range(5000)
        ]
        session.execute(update(Grading).values(state=DONE))
    assert regrading.regrade_many(service, graded) == 5000
    accept(service, incoming(user="new", course="large"))
    accept(service, incoming(course="small"))
    assert set(order(service)[:2]) == {"large", "small"}
    with service.database.reading() as session:
        lanes = session.scalars(select(Grading.lane).where(Grading.state == WAITING)).all()
    assert sorted(lanes) == [INTERACTIVE] * 2 + [BULK] * 5000
