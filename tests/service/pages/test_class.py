"""Staff see their class: who counts with what, what is frequent, and a table to take home."""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient
from sqlalchemy import event, update

from grader.model import Diagnosis, Report
from grader.service import results
from grader.service.core import Service
from grader.service.lti import grades
from grader.service.lti.policy import Policy
from grader.service.lti.tables import LtiGrade, LtiLink
from grader.service.tables import Grading, Submission
from service.fakes import report
from service.pages.conftest import Person, Place

Sent = Callable[..., Submission]
DUE = datetime(2026, 11, 24, tzinfo=UTC)
GELU = Diagnosis(kind="misconception", id="gelu", title="GELU in place of ReLU")


@pytest.fixture
def eve(place: Place) -> Person:
    return place.launched("eve", "staff")


@pytest.fixture
def read(client: TestClient[Any], place: Place, eve: Person) -> Callable[[str], str]:
    """Read the page of the class as staff, without its tags."""

    def get(query: str = "") -> str:
        answer = client.get(f"/links/{place.link_id}/class{query}", headers=eve.headers)
        assert answer.status_code == 200, answer.text
        return " ".join(re.sub(r"<[^>]+>", " ", answer.text.split("<main")[1]).split()).replace(
            " .", "."
        )

    return get


def judge(
    place: Place, submission: Submission, points: int = 100, *, found: Report | None = None
) -> None:
    """Record a result, by default one without a diagnosis."""
    verdict = "accepted" if points == 100 else "wrong_answer"
    service = replace(place.service, listeners=(grades.plan,))
    with service.database.transaction() as session:
        row = session.get_one(Submission, submission.id)
        done = found or report(score=points, verdict=verdict)
        results.record(service, session, row, done, round=1, worker="w")


def diagnosed(points: int) -> Report:
    return msgspec.structs.replace(report(score=points, verdict="wrong_answer"), diagnosis=GELU)


@pytest.fixture
def column(service: Service, place: Place) -> None:
    with service.database.transaction() as session:
        link = session.get_one(LtiLink, place.link_id)
        link.line_item = "https://lms.example/ags/7"
        policy = Policy(due_s=DUE.timestamp(), percent_off_per_day=10)
        link.policy = msgspec.json.encode(policy).decode()


def at(place: Place, submission: Submission, moment: datetime) -> None:
    with place.service.database.transaction() as session:
        mine = update(Submission).where(Submission.id == submission.id)
        session.execute(mine.values(submitted_at=moment))


def test_an_empty_class_says_so(read: Callable[..., str]) -> None:
    assert "Nobody has handed in yet" in read()


def test_each_student_has_a_line_with_what_counts(
    read: Callable[..., str], place: Place, sent: Sent, service: Service, column: None
) -> None:
    first, second = sent(b"a"), sent(b"b")
    at(place, first, DUE - timedelta(hours=1))
    at(place, second, DUE + timedelta(hours=1))
    judge(place, first, 40)
    judge(place, second)
    sent(b"c")
    wrong, failed, waiting = sent(user="bob"), sent(user="carol"), sent(user="dave")
    at(place, wrong, DUE - timedelta(hours=1))
    judge(place, wrong, found=diagnosed(50))
    with service.database.transaction() as session:
        parked = update(Grading).where(Grading.submission_id == failed.id)
        session.execute(parked.values(state="parked"))
        refused = update(LtiGrade).where(LtiGrade.user == "bob")
        session.execute(refused.values(step="parked", problem="HTTP 404 gone"))
    page = read()
    assert "Students 4" in page and "2 not graded yet" in page and "Late 1" in page
    assert "The best attempt counts. Due 24 Nov 2026, 00:00 UTC. Then 10 %" in page
    lines = page.split("In the course", 1)[1]
    assert re.search(r"alice 90 / of 100 10 % off Accepted : report of alice 1 waiting", lines)
    assert re.search(r"3 no. 2 counts .* On its way bob 50 / of 100 Wrong answer", lines)
    assert re.search(r"GELU in place of ReLU 1 24? ?.* Not taken carol – no score", lines)
    assert "1 failed at our side" in lines and "dave – no score 1 waiting" in lines
    assert waiting.id not in page
    assert re.search(r"GELU in place of ReLU 1 of 2", page)
    assert "Every case within tolerance 1 1 0 75.0 of 40" in page


def test_lines_are_sorted_and_filtered_by_links(
    read: Callable[..., str], place: Place, sent: Sent
) -> None:
    for user, points in (("10", 50), ("9", 100), ("zoe", 20)):
        submission = sent(user=user)
        judge(
            place,
            submission,
            found=diagnosed(points)
            if points == 20
            else report(score=points, verdict="accepted" if points == 100 else "wrong_answer"),
        )

    def order(query: str) -> list[str]:
        return re.findall(r"(\w+) \d+ / of", read(query).split("In the course", 1)[1])

    assert order("") == ["9", "10", "zoe"]
    assert order("?sort=score&down=1") == ["9", "10", "zoe"]
    assert order("?sort=score") == ["zoe", "10", "9"]
    assert order("?sort=nonsense&down=") == ["9", "10", "zoe"]
    assert order("?mistake=gelu") == ["zoe"]
    assert order("?mistake=-") == ["10"]
    assert order("?find=ZO") == ["zoe"]
    assert "0 of 3 students whose id holds &lt;b&gt;" in read("?find=%3Cb%3E")
    assert "There are no more" in read("?page=9")
    assert "9 100 / of 100" in read("?page=x")


def test_the_number_of_queries_does_not_grow_with_the_class(
    read: Callable[..., str], place: Place, sent: Sent, service: Service, column: None
) -> None:
    seen: list[str] = []

    @event.listens_for(service.database.engine, "before_cursor_execute")
    def count(*args: Any) -> None:
        seen.append(args[2])

    def queries() -> int:
        read()  # reads the reports that are new
        seen.clear()
        read()
        return len([one for one in seen if one.lstrip().upper().startswith("SELECT")])

    judge(place, sent(b"a"), 10)
    few = queries()
    for number in range(12):
        for content in (b"a", b"b"):
            judge(place, sent(content, user=f"u{number}"), 10)
    assert queries() == few <= 8


def test_a_large_class_comes_in_pages(
    read: Callable[..., str], client: TestClient[Any], place: Place, eve: Person, sent: Sent
) -> None:
    for number in range(101):
        sent(user=f"u{number:03}")
    assert "Page 2" in read() and "1 to 100 of 101" in read()
    assert "101 to 101 of 101" in read("?page=2")
    table = client.get(f"/links/{place.link_id}/class.csv", headers=eve.headers)
    assert table.text.count("\r\n") == 102


HOSTILE = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", '"x",y', "<script>", "\u202ea\nb"]


def test_the_table_opens_in_a_spreadsheet_and_runs_nothing(
    client: TestClient[Any], read: Callable[..., str], place: Place, eve: Person, sent: Sent
) -> None:
    for user in HOSTILE:
        judge(place, sent(user=user), 70)
    answer = client.get(f"/links/{place.link_id}/class.csv", headers=eve.headers)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]
    lines = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    users = {line["user"] for line in lines}
    assert {"'=1+1", "'+1", "'-1", "'@SUM(A1)", '"x",y', "<script>"} <= users
    assert len(users) == len(HOSTILE)
    assert all(not one.startswith(("=", "+", "-", "@", "\t")) for one in users)
    assert {line["score"] for line in lines} == {"70"} or {line["score"] for line in lines} == {
        "70.0"
    }
    assert "<script>" not in client.get(
        f"/links/{place.link_id}/class", headers=eve.headers
    ).text.replace("<script defer", "")
