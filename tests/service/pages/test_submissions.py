"""A student sees how far a submission is, its report, what counts, and where the grade is."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient
from sqlalchemy import select, update

from grader.service import grading
from grader.service.capacity import Capacity
from grader.service.core import Service
from grader.service.lti import grades
from grader.service.lti.ags import outbox, store
from grader.service.lti.policy import Policy
from grader.service.lti.tables import LtiGrade, LtiLink
from grader.service.pages import progress_routes
from grader.service.pages.standing import rules
from grader.service.submissions import File
from grader.service.tables import Grading, Result, Submission, now
from service.fakes import FakeGrader
from service.pages.conftest import Person, Place

Sent = Callable[..., Submission]


@pytest.fixture
def alice(place: Place) -> Person:
    return place.launched("alice")


@pytest.fixture
def read(client: TestClient[Any], place: Place, alice: Person) -> Callable[[str], str]:
    """Read a page below the placement as alice."""

    def get(path: str = "", person: Person = alice) -> str:
        answer = client.get(f"/links/{place.link_id}{path}", headers=person.headers)
        assert answer.status_code == 200, answer.text
        return answer.text

    return get


def judge(place: Place, submission: Submission) -> None:
    service = replace(place.service, listeners=(grades.plan,))
    grading.grade(service, FakeGrader(), submission.id, worker="w")


def test_it_says_how_many_are_before_it(
    read: Callable[..., str], place: Place, sent: Sent, service: Service
) -> None:
    first, second = sent(b"a", user="bob"), sent(b"b", user="carol")
    mine = sent(b"score=70")
    assert "Waiting: 2 before it." in read(f"/submissions/{mine.id}")
    judge(place, first)
    assert "Waiting: 1 before it." in read(f"/submissions/{mine.id}/progress")
    with service.database.transaction() as session:
        done = update(Grading).where(Grading.submission_id == second.id)
        session.execute(done.values(state="done"))
    assert "Waiting: it is next." in read(f"/submissions/{mine.id}")
    with service.database.transaction() as session:
        begun = update(Grading).where(Grading.submission_id == mine.id)
        session.execute(begun.values(started_at=now(), tries=1))
    assert "It is being graded now." in read(f"/submissions/{mine.id}")
    with service.database.transaction() as session:  # its worker died: it waits for its next try
        again = update(Grading).where(Grading.submission_id == mine.id)
        session.execute(again.values(not_before=now() + timedelta(seconds=30)))
    assert "Waiting: it is next." in read(f"/submissions/{mine.id}")


def test_asking_again_gets_nothing_until_something_changes(
    client: TestClient[Any], alice: Person, place: Place, sent: Sent
) -> None:
    mine = sent(b"score=70")
    url = f"/links/{place.link_id}/submissions/{mine.id}/progress"
    first = client.get(url, headers=alice.headers).text
    seen = first.split("progress?seen=")[1].split('"')[0]
    assert 'hx-trigger="every 5s"' in first
    same = client.get(url, params={"seen": seen}, headers=alice.headers)
    assert (same.status_code, same.text) == (204, "")
    judge(place, mine)
    done = client.get(url, params={"seen": seen}, headers=alice.headers).text
    assert "Graded: 70 of 100" in done and "every" not in done
    assert f"/submissions/{mine.id}/report" in done


def test_events_tell_what_changes_and_end_with_the_grade(
    client: TestClient[Any],
    alice: Person,
    place: Place,
    sent: Sent,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = sent(b"score=70")
    looks = iter([lambda: None, lambda: judge(place, mine)])
    look = progress_routes._look

    def looking(*how: Any, **more: Any) -> Any:
        """Grade it once the stream has looked twice."""
        next(looks, lambda: None)()
        return look(*how, **more)

    monkeypatch.setattr(progress_routes, "_look", looking)
    monkeypatch.setattr(progress_routes, "EVERY_S", 0.01)
    url = f"/links/{place.link_id}/submissions/{mine.id}/events"
    answer = client.get(url, headers=alice.headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"
    events = [one for one in answer.text.split("\r\n\r\n") if one]
    assert [one.splitlines()[0] for one in events] == [
        *("event: progress", "event: progress", "event: end")
    ]
    assert "Waiting: it is next." in events[0] and "every" not in events[0]
    assert "Graded: 70 of 100" in events[1]


def test_a_stream_ends_when_the_process_is_to_end(
    client: TestClient[Any], alice: Person, place: Place, sent: Sent
) -> None:
    mine = sent()
    client.app.state.draining.set()
    url = f"/links/{place.link_id}/submissions/{mine.id}/events"
    assert client.get(url, headers=alice.headers).text == ""


def test_who_finds_no_room_for_a_stream_is_told_once_and_asks_from_then_on(
    client: TestClient[Any],
    alice: Person,
    place: Place,
    sent: Sent,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = sent(b"score=70")
    monkeypatch.setattr(progress_routes, "LONGEST_S", 1.0)
    client.app.state.streams = Capacity(0, each=1)
    url = f"/links/{place.link_id}/submissions/{mine.id}/events"
    text = client.get(url, headers=alice.headers).text
    assert [line for line in text.splitlines() if line.startswith("event")] == [
        *("event: progress", "event: end")
    ]
    assert 'hx-trigger="every 5s"' in text


def test_a_stream_that_ended_leaves_its_room(
    client: TestClient[Any], alice: Person, place: Place, sent: Sent
) -> None:
    mine = sent(b"score=70")
    judge(place, mine)
    client.app.state.streams = Capacity(1, each=1)
    url = f"/links/{place.link_id}/submissions/{mine.id}/events"
    for _ in range(3):
        assert client.get(url, headers=alice.headers).text.count("event: end") == 1
    with client.app.state.streams.room("anybody") as has_room:
        assert has_room


def test_a_stream_is_not_silent_for_long_and_ends_for_the_browser_to_ask_again(
    client: TestClient[Any],
    alice: Person,
    place: Place,
    sent: Sent,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = sent()
    seconds = count(0.0)  # each look at the clock is a second later
    clock = SimpleNamespace(monotonic=lambda: next(seconds))
    monkeypatch.setattr(progress_routes, "time", clock)
    monkeypatch.setattr(progress_routes, "EVERY_S", 0.0)
    monkeypatch.setattr(progress_routes, "LONGEST_S", 60.0)
    url = f"/links/{place.link_id}/submissions/{mine.id}/events"
    text = client.get(url, headers=alice.headers).text
    assert text.count("event: progress") == 1 and "event: end" not in text
    assert 1 <= text.count(": still there") <= 4


def test_the_student_reads_the_students_report_with_the_source_and_staff_the_staffs(
    read: Callable[..., str], place: Place, sent: Sent
) -> None:
    mine = sent(b"score=70\n# <b>mine</b>\n")
    judge(place, mine)
    page = read(f"/submissions/{mine.id}")
    assert "What was submitted" in page and "# &lt;b&gt;mine&lt;/b&gt;" in page
    assert "00000000000000aa" not in page and "Staff view" not in page
    assert page.count("<main") == 1 and page.count("<h1") == 1
    staff = read(f"/submissions/{mine.id}", place.launched("eve", "staff"))
    assert "00000000000000aa" in staff and "Staff view" in staff
    assert read(f"/submissions/{mine.id}") == page, "what was drawn for staff is kept apart"


def test_a_submission_that_we_failed_on_costs_nothing(
    read: Callable[..., str], place: Place, sent: Sent, service: Service
) -> None:
    mine = sent()
    with service.database.transaction() as session:
        session.execute(update(Grading).values(state="parked", problem="the wall <fell>"))
    page = read(f"/submissions/{mine.id}")
    assert "That is our fault, and it costs you nothing" in page and "the wall" not in page
    assert "The grader failed" in read()


def policy(service: Service, place: Place, **changes: Any) -> None:
    with service.database.transaction() as session:
        link = session.get_one(LtiLink, place.link_id)
        link.policy = msgspec.json.encode(Policy(**changes)).decode()


@pytest.fixture
def column(service: Service, place: Place) -> LtiLink:
    """Give the placement a column in the gradebook."""
    with service.database.transaction() as session:
        link = session.get_one(LtiLink, place.link_id)
        link.line_item = "https://lms.example/ags/7"
    return link


def test_it_says_what_counts_and_what_lateness_costs(
    read: Callable[..., str], place: Place, sent: Sent, service: Service
) -> None:
    due = now() - timedelta(hours=1)
    late = {"percent_off_per_day": 10, "most_percent_off": 50, "grace_minutes": 15}
    policy(service, place, keep="last", due_s=due.timestamp(), **late)
    judge(place, sent(b"score=70"))
    page = read()
    assert "Your last attempt counts." in page
    assert "at most 50 %." in page and "for the first 15 minutes" in page
    assert f'due <time datetime="{due:%Y-%m-%dT%H:%M:%S}Z">' in page
    assert "10 % off" in page and '<span class="points">63</span>' in page
    assert ">Counts<" in page


def test_rules_say_no_more_than_there_is() -> None:
    assert rules(Policy()) == ["Your best attempt counts."]
    assert len(rules(Policy(due_s=1.0))) == 1
    said = rules(Policy(due_s=1.0, percent_off_per_day=5))
    assert said[1:] == ["Then 5 % of the points are taken off for each day begun."]


def test_it_says_where_the_grade_is(
    read: Callable[..., str], place: Place, sent: Sent, service: Service, column: LtiLink
) -> None:
    assert "score" not in read().split("Hand in")[0]
    judge(place, sent(b"score=70"))
    assert "Your score 70 of 100 is on its way to the course." in read()

    def stored(step: str, stamp_s: int = 0) -> None:
        with service.database.transaction() as session:
            grade = store.locked(session, LtiGrade.user == "alice")
            assert grade is not None
            row = outbox.begin(store.read(grade), stamp_s or 1.0)
            store.write(session, grade, replace(row, step=step))  # type: ignore[arg-type]

    stored("done", int(datetime(2026, 11, 24, 9, 30, tzinfo=UTC).timestamp()))
    page = read()
    assert "Your score 70 of 100 was sent to the course on" in page
    assert "24 Nov 2026, 09:30 UTC" in page
    stored("parked")
    assert "The course did not take the score 70 of 100." in read()
    with service.database.transaction() as session:
        session.get_one(LtiLink, place.link_id).line_item = ""
    assert "Scores of this exercise stay here" in read()


def test_while_it_is_graded_once_more_and_held_the_student_sees_what_counts(
    read: Callable[..., str], place: Place, sent: Sent, service: Service, column: LtiLink
) -> None:
    mine = sent(b"score=70")
    judge(place, mine)
    with service.database.transaction() as session:
        session.get_one(LtiLink, place.link_id).held = True
        again = update(Grading).where(Grading.submission_id == mine.id)
        session.execute(again.values(state="waiting", round=2, waiting_since=now()))
        session.execute(update(Result).values(exercise_digest="older"))
    for _ in range(2):  # while it waits, and when its new result is held
        page = read(f"/submissions/{mine.id}")
        assert '<span class="points">70</span>' in page and "Waiting" not in page
        assert "<strong>70</strong>" in read() and "Your score 70 of 100" in read()
        other = replace(service, listeners=(grades.plan,))
        with service.database.transaction() as session:
            session.execute(update(Submission).values(files=files(b"score=10")))
        grading.grade(other, FakeGrader(), mine.id, worker="w")
    with service.database.reading() as session:
        assert sorted(session.scalars(select(Result.score).where(Result.held))) == [10]


def files(content: bytes) -> bytes:
    return msgspec.msgpack.encode((File("hw.py", "x", content),))


def test_staff_see_what_a_student_handed_in(
    read: Callable[..., str], place: Place, sent: Sent
) -> None:
    judge(place, sent(b"score=70"))
    eve = place.launched("eve", "staff")
    page = read("/student?user=alice", eve)
    assert "Student alice" in page and "Attempt 1" in page
    assert "Nothing was handed in." in read("/student?user=%3Cb%3E%00", eve)
