"""In a real browser staff see their class, grade again, look, publish, send again and export."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
import samples
from sqlalchemy import select
from sqlalchemy.orm import Session

import reference
from grader.model import Report
from grader.report.document import to_json
from grader.service import grading, results
from grader.service.core import Service
from grader.service.dispatch import NoDispatch
from grader.service.judging.work import Reply, Work
from grader.service.lti import grades
from grader.service.lti.ags import store
from grader.service.lti.policy import Policy
from grader.service.lti.tables import LtiGrade, LtiLink
from grader.service.submissions import Incoming, accept
from grader.service.tables import WAITING, Grading, now
from service.lti.fake_platform import FakePlatform
from service.lti.looking import grave

if TYPE_CHECKING:
    from playwright.sync_api import Page

STUDENTS = 24


@pytest.fixture
def kind() -> str:
    """The embedded database: a browser sees no difference."""
    return "sqlite"


class Judge:
    """Finds the present exercise's report for what was judged by an older one."""

    def grade(self, work: Work) -> Reply:
        wrong = b"1" in work.files[0][1]
        return Reply(
            report=to_json(of_now(samples.wrong_answer() if wrong else samples.accepted()))
        )

    def close(self) -> None:
        pass


def of_now(report: Report, digest: str = "") -> Report:
    exercise = reference.load(reference.DEFAULT)
    named = msgspec.structs.replace(report.exercise, digest=digest or exercise.digest)
    return msgspec.structs.replace(report, exercise=named)


@pytest.fixture
def filled(service: Service, incoming: Callable[..., Incoming]) -> Callable[[], Service]:
    """Let a class have handed in at the one placement, judged by an older exercise."""
    kept = replace(service, listeners=(grades.plan,))

    def fill() -> Service:
        with kept.database.transaction() as session:
            link = session.scalars(select(LtiLink)).one()
            due = now() - timedelta(hours=30)
            policy = Policy(due_s=due.timestamp(), percent_off_per_day=10, most_percent_off=40)
            link.policy = msgspec.json.encode(policy).decode()
            for number in range(STUDENTS):
                hand_in(session, link, number)
            for user in ("4001", "4013"):
                grade = store.locked(session, LtiGrade.user == user)
                assert grade is not None
                row = replace(store.read(grade), step="parked", due_s=None)
                problem = "HTTP 404 Line item not found"
                store.write(session, grade, replace(row, problem=problem), "send: refused", problem)
        return kept

    def hand_in(session: Session, link: LtiLink, number: int) -> None:
        content = f"x = {number}\n".encode()
        source = f"lti:{link.platform_id}"
        sent = incoming(content, source=source, user=str(4000 + number), course=link.course)
        moment = now() - timedelta(hours=48 - 2 * number)
        submission = accept(
            session, msgspec.structs.replace(sent, submitted_at=moment), NoDispatch()
        )
        session.flush()
        grades.count_for(session, submission, link)
        if number == 23:  # waits
            return
        grading = session.scalars(
            select(Grading).where(Grading.submission_id == submission.id)
        ).one()
        if number == 22:
            grading.state, grading.problem = "parked", "the judge died: out of memory"
            return
        makes = [samples.accepted, samples.wrong_answer, samples.runtime_error][
            number % 3 if number % 5 else 0
        ]
        found = of_now(makes(), "an older version")
        results.record(kept, session, submission, found, round=1, worker="w")

    return fill


def work(service: Service) -> None:
    """Grade what waits."""
    with service.database.reading() as session:
        ids = session.scalars(select(Grading.submission_id).where(Grading.state == WAITING)).all()
    for id in ids:
        grading.grade(service, Judge(), id, worker="w")


def test_staff_see_the_class_grade_again_publish_send_again_and_export(
    page: "Page", served: FakePlatform, filled: Callable[[], Service]
) -> None:
    page.goto(f"{served.issuer}/course?user=t1:Instructor")
    frame = page.frame_locator("iframe")
    frame.get_by_role("heading", name="Nobody has handed in yet").wait_for()
    service = filled()
    page.goto(f"{served.tool}/lti/login?iss={served.issuer}&login_hint=t1:Instructor")  # no frame
    page.get_by_role("heading", name="Students").wait_for()
    assert grave(page) == []

    page.get_by_role("link", name="Score", exact=True).click()
    assert page.get_by_role("columnheader", name="Score").get_attribute("aria-sort") == "descending"
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    assert download.value.path().read_text("utf-8-sig").count("\n") == STUDENTS + 1
    page.get_by_role("link", name="4001", exact=True).click()
    page.get_by_role("heading", name="Student 4001").wait_for()
    page.get_by_role("link", name="Attempt 1").click()
    page.get_by_role("heading", name="Every case").wait_for()

    page.get_by_role("link", name="Grade again").click()
    page.get_by_role("button", name="Grade 22 attempts again").click()
    page.get_by_text("0 of 22 graded again").wait_for()
    assert grave(page) == []
    work(service)
    page.get_by_role("heading", name="grades would change").wait_for()  # by itself
    assert grave(page) == []
    page.get_by_role("link", name="New report of 4002").click()
    page.get_by_text("This result is not published").wait_for()
    page.get_by_role("link", name="Back to what would change").click()
    page.get_by_role("button", name="Publish and send").press("Enter")
    page.get_by_role("status").get_by_text("The new results count now.").wait_for()

    page.get_by_role("link", name="Grades").click()
    page.get_by_role("heading", name="Grades in the course").wait_for()
    assert grave(page) == []
    page.get_by_role("row", name="4001").get_by_role("button", name="Send again").click()
    page.get_by_text("1 grade is sent again.").wait_for()
    page.get_by_role("link", name="1 not taken", exact=True).wait_for()
    page.get_by_role("link", name="Rules").click()
    page.get_by_label("Off for each day begun").fill("a lot")
    page.get_by_role("button", name="See what it changes").click()
    page.get_by_text("Give a number from 0 to 100.").wait_for()
    assert grave(page) == []
    page.get_by_label("Off for each day begun").fill("20")
    page.get_by_role("button", name="See what it changes").click()
    page.get_by_role("heading", name="would change").wait_for()
    assert grave(page) == []
    page.get_by_role("button", name="Store").click()
    page.get_by_text("These rules hold now.").wait_for()
    page.get_by_role("link", name="Trouble").click()
    page.get_by_text("An internal error of ours: 1").wait_for()
    assert grave(page) == []


@pytest.mark.parametrize("zone", ["Etc/GMT-2"])  # two hours ahead of UTC, all year
def test_a_due_time_stays_what_it_is_in_the_readers_zone(
    page: "Page", served: FakePlatform, service: Service
) -> None:
    page.goto(f"{served.tool}/lti/login?iss={served.issuer}&login_hint=t1:Instructor")
    page.get_by_role("link", name="Rules", exact=True).click()
    due, off = page.get_by_label("Due (your own time)"), page.get_by_label("Off for each day begun")
    due.fill("2026-12-01T23:59")
    for _ in range(2):
        off.fill("a lot")
        page.get_by_role("button", name="See what it changes").click()
        page.get_by_text("Give a number from 0 to 100.").wait_for()
        assert due.input_value() == "2026-12-01T23:59"
    off.fill("20")
    page.get_by_role("button", name="See what it changes").click()
    page.get_by_role("button", name="Change something else").click()
    assert due.input_value() == "2026-12-01T23:59"
