"""In a real browser a student hands in, watches, reads and hands in again, inside the course.

The frame is on another site than the course, as in life; at the end the same on a phone.
"""

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
import samples
from processes import PATIENCE_S
from sample_parts import SOURCE
from sqlalchemy import select

from grader.model import Report
from grader.report.document import to_json
from grader.service import grading
from grader.service.core import Service
from grader.service.judging.work import Reply, Work
from grader.service.tables import WAITING, Grading
from service.lti.fake_platform import FakePlatform
from service.lti.looking import grave

if TYPE_CHECKING:
    from playwright.sync_api import FrameLocator, Page


@pytest.fixture
def kind() -> str:
    """The embedded database: a browser sees no difference."""
    return "sqlite"


class Slow:
    """Judges when it is told to."""

    def __init__(self, report: Report) -> None:
        self.report, self.began, self.may = report, threading.Event(), threading.Event()

    def grade(self, work: Work) -> Reply:
        self.began.set()
        assert self.may.wait(PATIENCE_S)
        return Reply(report=to_json(self.report))

    def close(self) -> None:
        pass


@pytest.fixture
def begin(service: Service) -> Iterator[Callable[[Report], Slow]]:
    """Begin to grade the one submission that waits."""
    running: list[tuple[Slow, threading.Thread]] = []

    def start(report: Report) -> Slow:
        with service.database.reading() as session:
            waiting = select(Grading.submission_id).where(Grading.state == WAITING)
            id = session.scalars(waiting).one()
        slow = Slow(report)
        work = threading.Thread(
            target=lambda: grading.grade(service, slow, id, worker="w"), daemon=True
        )
        work.start()
        running.append((slow, work))
        assert slow.began.wait(PATIENCE_S)
        return slow

    yield start
    for slow, work in running:
        slow.may.set()
        work.join(PATIENCE_S)


def opened(page: "Page", lms: FakePlatform) -> "FrameLocator":
    page.goto(f"{lms.issuer}/course?user=u1:Learner")
    frame = page.frame_locator("iframe")
    frame.get_by_role("heading", name="What to do").wait_for()
    return frame


def test_a_student_hands_in_watches_reads_and_hands_in_again(
    page: "Page", served: FakePlatform, begin: Callable[[Report], Slow]
) -> None:
    frame = opened(page, served)
    frame.get_by_label("Your file").set_input_files(
        {"name": "hw.py", "mimeType": "text/x-python", "buffer": SOURCE.encode()}
    )
    frame.get_by_role("button", name="Hand in and grade").click()

    status = frame.get_by_role("status")
    status.get_by_text("Waiting: it is next.").wait_for()
    slow = begin(samples.wrong_answer())
    status.get_by_text("It is being graded now.").wait_for()
    slow.may.set()
    status.get_by_text("Graded: 29 of 100. Wrong answer.").wait_for()
    frame.get_by_role("heading", name="The smallest input that fails").wait_for()
    assert frame.locator("svg[role=img]").count() > 0
    assert frame.get_by_text("Error against bound").count() == 0, "that is for staff"

    frame.get_by_role("link", name="Hand in again").click()
    frame.get_by_text("Or paste your code", exact=True).click()
    frame.get_by_label("Your code").fill("def f():\n    return 1\n")
    frame.get_by_role("button", name="Hand in and grade").click()
    frame.get_by_role("status").get_by_text("Waiting: it is next.").wait_for()
    begin(samples.accepted()).may.set()
    frame.get_by_role("status").get_by_text("Graded: 100 of 100.").wait_for()
    frame.get_by_role("heading", name="Attempt 2 of 2").wait_for()
    frame.get_by_role("link", name="Attempt 1").click()
    frame.get_by_role("heading", name="The smallest input that fails").wait_for()


def test_every_page_is_accessible_in_light_and_dark_on_a_phone_and_a_desk(
    page: "Page", served: FakePlatform, begin: Callable[[Report], Slow]
) -> None:
    page.route("**/events", lambda route: None)  # a proxy holds them back: the page has to ask
    opened(page, served)
    page.goto(f"{served.tool}/lti/login?iss={served.issuer}&login_hint=u1:Learner")  # no frame
    page.get_by_role("heading", name="What to do").wait_for()
    page.get_by_role("button", name="Hand in and grade").click()
    page.get_by_role("alert").get_by_text("Choose a file, or paste your code.").wait_for()

    page.get_by_text("Or paste your code", exact=True).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.insert_text(SOURCE)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("status").get_by_text("Waiting: it is next.").wait_for()
    assert grave(page) == []
    begin(samples.wrong_answer()).may.set()
    page.get_by_role("heading", name="The smallest input that fails").wait_for()
    assert grave(page) == []
    page.get_by_role("link", name="Hand in again").click()
    page.get_by_role("heading", name="Your attempts").wait_for()
    assert grave(page) == []
