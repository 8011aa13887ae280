"""Canvas takes a score over a teacher's grade, and with the flag against that none of ours."""

from datetime import timedelta

import pytest

from grader.service.lti.ags import store
from grader.service.lti.tables import LtiGrade
from service.lti.course import DUE, Course

pytestmark = pytest.mark.parametrize("lms", ["canvas"], indirect=True)


def test_every_better_attempt_reaches_the_gradebook(course: Course) -> None:
    for hour, points in enumerate((40, 90, 95)):
        course.judge("u1", points, at=DUE + timedelta(hours=hour))
        course.send()
        assert course.column["u1"].given == points
    assert course.row("u1").step == "done"
    assert course.column["u1"].attempts == 3


def test_a_regrade_replaces_our_grade_and_uses_up_no_attempt(course: Course) -> None:
    submission = course.judge("u1", 80)
    course.send()
    course.record(submission, 60, digest="d2")
    course.send()
    assert course.column["u1"].given == 60
    assert course.column["u1"].attempts == 1


def test_an_earlier_attempt_that_comes_to_count_is_none_either(course: Course) -> None:
    course.judge("u1", 40)
    course.send()
    better = course.judge("u1", 90, at=DUE + timedelta(hours=1))
    course.send()
    course.record(better, 30, digest="d2")
    course.send()
    assert course.column["u1"].given == 40
    assert course.column["u1"].attempts == 2


def test_what_a_teacher_set_after_ours_stays_until_somebody_sends_ours(course: Course) -> None:
    course.judge("u1", 40)
    course.send()
    course.column["u1"].given = 75
    for points in (90, 95):
        course.judge("u1", points)
        course.send()
        row = course.row("u1")
        assert (row.step, course.column["u1"].given) == ("parked", 75)
        assert row.problem == "the LMS shows another grade: it shows 75 of 100"
    with course.service.database.transaction() as session:
        grade = store.locked(session, LtiGrade.id == row.id)
        assert grade is not None
        store.resend(session, grade)
    course.send()
    assert (course.row("u1").step, course.column["u1"].given) == ("done", 95)


def test_a_grade_that_a_teacher_took_away_is_sent(course: Course) -> None:
    course.judge("u1", 40)
    course.send()
    course.column["u1"].given = None
    course.judge("u1", 90)
    course.send()
    assert course.column["u1"].given == 90


def test_a_teacher_who_gave_what_the_attempt_is_worth_has_said_so(course: Course) -> None:
    course.judge("u1", 40)
    course.send()
    course.column["u1"].given = 90
    course.judge("u1", 90)
    course.send()
    assert (course.row("u1").step, course.column["u1"].writes) == ("done", 1)
