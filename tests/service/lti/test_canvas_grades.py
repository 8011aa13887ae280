"""Canvas takes a score over a teacher's grade, and with the flag against that none of ours."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from grader.service.lti.ags import store
from grader.service.lti.ags.gateway import Gateway, Target
from grader.service.lti.ags.outbox import begin, decide
from grader.service.lti.ags.row import Event, Row
from grader.service.lti.ags.score import Score
from grader.service.lti.platform import Platform
from grader.service.lti.tables import LtiGrade
from service.lti.conftest import describe
from service.lti.course import DUE, Course
from service.lti.fake_platform import FakePlatform

NOW = 1_790_000_000.0

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


def carried_out(row: Row, answer: httpx.Response, described: Platform) -> Event:
    class Tokens:
        async def get(self, platform: Platform, scopes: tuple[str, ...]) -> str:
            return "token"

        def forget(self, refused: str) -> None: ...

    async def main() -> Event:
        wire = httpx.MockTransport(lambda request: answer)
        target = Target(platform=described, line_item="https://lms.example/ags/7", user="u1")
        async with httpx.AsyncClient(transport=wire) as client:
            return await Gateway(client, Tokens(), clock=lambda: NOW).carry_out(target, row)

    return asyncio.run(main())


def test_an_attempt_of_canvas_future_waits_and_is_no_conflict(lms: FakePlatform) -> None:
    row = begin(decide(None, Score(given=8, maximum=10, submitted_at=NOW), NOW), NOW)
    told = "Provided submitted_at timestamp of 2026-09-21T13:00:00Z in the future"
    refusal = httpx.Response(400, json={"errors": {"type": "bad_request", "message": told}})
    event = carried_out(row, refusal, describe(lms))
    assert event.kind == "throttled" and "in the future" in event.text
    late = httpx.Response(400, json={"message": "Provided timestamp of 1 before last updated"})
    assert carried_out(row, late, describe(lms)).kind == "conflict"


def test_a_next_page_with_an_address_that_is_none_is_a_failed_read(lms: FakePlatform) -> None:
    score = Score(given=8, maximum=10, submitted_at=NOW)
    row = Row(wanted=score, step="read", doubt="by_hand", sent=score)
    page = httpx.Response(200, json=[], headers={"link": '<https://[::1>; rel="next"'})
    assert carried_out(row, page, describe(lms)).kind == "read_failed"
