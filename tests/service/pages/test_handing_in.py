"""What students hand in is taken once, within limits, under a harmless name, and counts."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient
from processes import PATIENCE_S
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError

import reference
from grader.service import grading
from grader.service.core import Service
from grader.service.lti.tables import LtiAttempt, LtiLink
from grader.service.pages import handing_in
from grader.service.pages.handing_in import LIMITS, MOST_BYTES, MOST_WAITING
from grader.service.submissions import files_of
from grader.service.tables import Submission, now
from service.fakes import FakeGrader
from service.pages.conftest import Person, Place

Hand = Callable[..., httpx.Response]
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def alice(place: Place) -> Person:
    return place.launched("alice")


@pytest.fixture
def hand(client: TestClient[Any], place: Place, alice: Person) -> Hand:
    """Hand something in: a file, or pasted code."""

    def post(
        content: bytes = b"x = 1\n", name: str = "hw.py", *, code: str = "", file: bool = True
    ) -> httpx.Response:
        files = {"file": (name, content)} if file else {"file": ("", b"")}
        return client.post(
            f"/links/{place.link_id}/submissions",
            data={"csrf": alice.csrf, "code": code},
            files=files,
            headers=alice.headers,
            follow_redirects=False,
        )

    return post


def stored(service: Service) -> list[Submission]:
    with service.database.reading() as session:
        return list(session.scalars(select(Submission).order_by(Submission.received_at)))


def test_a_file_becomes_a_submission_that_counts_for_the_placement(
    hand: Hand, place: Place, service: Service
) -> None:
    answer = hand(b"score=70", "C:\\work\\my net.py")
    [one] = stored(service)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/links/{place.link_id}/submissions/{one.id}"
    who = (one.source, one.course, one.user, one.exercise, one.attempt)
    assert who == (f"lti:{place.platform_id}", "algebra", "alice", reference.DEFAULT, 1)
    [file] = files_of(one)
    assert (file.name, file.content) == ("my net.py", b"score=70")
    with service.database.reading() as session:
        attempt = session.scalars(select(LtiAttempt)).one()
    assert (attempt.link_id, attempt.user) == (place.link_id, "alice")


def test_pasted_code_is_a_file_with_the_line_ends_of_a_file(hand: Hand, service: Service) -> None:
    assert hand(file=False, code="a = 1\r\nb = 2\r\n").status_code == 303
    [file] = files_of(stored(service)[0])
    expected = reference.load(reference.DEFAULT).file_names[0]
    assert (file.name, file.content) == (expected, b"a = 1\nb = 2\n")


NOT_TAKEN: list[tuple[dict[str, Any], str, int]] = [
    ({"file": False}, "Choose a file, or paste your code.", 422),
    ({"code": "x = 1"}, "keep one of them", 422),
    ({"content": b""}, "hw.py is empty", 422),
    ({"name": "hw.txt"}, "not a .py, .ipynb or .zip", 422),
    ({"name": ".py"}, "cannot be used", 422),
    ({"name": "a\u202ey.py"}, "cannot be used", 422),
    ({"name": "x" * 200 + ".py"}, "cannot be used", 422),
    ({"name": "\u8bfe" * 90 + ".py"}, "cannot be used", 422),  # 273 bytes
    ({"name": "<script>.exe"}, "&lt;script&gt;.exe is not", 422),
    ({"content": b"x" * (LIMITS.source_bytes + 1)}, "larger than 256 KiB", 413),
    ({"file": False, "code": "\u00e9" * LIMITS.source_bytes}, "larger than 256 KiB", 413),
]


def test_what_cannot_be_graded_is_not_taken_and_says_why(hand: Hand, service: Service) -> None:
    for how, words, status in NOT_TAKEN:
        answer = hand(**how)
        assert answer.status_code == status and words in answer.text, (words, answer.text)
        assert 'role="alert"' in answer.text
    assert stored(service) == []


def test_what_was_pasted_is_there_to_be_mended(hand: Hand) -> None:
    answer = hand(code="</textarea><script>alert(1)</script>\n\tx")
    assert "&lt;/textarea&gt;&lt;script&gt;alert(1)&lt;/script&gt;\n\tx</textarea>" in answer.text


def test_more_than_any_file_may_be_is_not_even_read(hand: Hand, service: Service) -> None:
    answer = hand(b"x" * MOST_BYTES, "hw.zip")
    assert answer.status_code == 413 and "That is too much" in answer.text
    assert stored(service) == []


def test_a_form_without_a_file_is_short_for_it_is_slow_to_decode(
    client: TestClient[Any], place: Place, alice: Person, service: Service
) -> None:
    path, headers = f"/links/{place.link_id}/submissions", {**alice.headers, "content-type": FORM}
    body = f"csrf={alice.csrf}&code=".encode() + b"%41" * (MOST_BYTES // 4)
    answer = client.post(path, content=body, headers=headers, follow_redirects=False)
    assert answer.status_code == 413 and "That is too much" in answer.text
    answer = client.post(path, content=body[:60_000], headers=headers, follow_redirects=False)
    assert answer.status_code == 303
    assert len(stored(service)) == 1


def test_a_double_click_is_one_submission_and_a_failure_of_ours_may_be_tried_again(
    hand: Hand, service: Service
) -> None:
    first, second = hand(b"internal_error"), hand(b"internal_error")
    assert first.headers["location"] == second.headers["location"]
    [one] = stored(service)
    for _ in range(3):
        with service.database.transaction() as session:
            session.execute(grading.Grading.__table__.update().values(not_before=None))
        grading.grade(service, FakeGrader(), one.id, worker="w")
    assert hand(b"internal_error").headers["location"] != first.headers["location"]
    assert hand(b"other").headers["location"] != first.headers["location"]
    assert len(stored(service)) == 3


def test_clicks_at_the_same_moment_are_one_submission_and_fill_no_queue(
    client: TestClient[Any], place: Place, alice: Person, service: Service
) -> None:
    def press(code: str) -> httpx.Response:
        together.wait(PATIENCE_S)
        return client.post(
            f"/links/{place.link_id}/submissions",
            data={"csrf": alice.csrf, "code": code},
            headers=alice.headers,
            follow_redirects=False,
        )

    for codes, taken in ((["same"] * 8, 1), ([f"x = {number}" for number in range(8)], 3)):
        together = threading.Barrier(len(codes))
        with ThreadPoolExecutor(len(codes)) as browsers:
            answers = list(browsers.map(press, codes))
        assert len(stored(service)) == taken
        assert {one.status_code for one in answers} <= {303, 429}


def test_the_same_file_is_another_attempt_at_another_exercise_or_version(
    hand: Hand, place: Place, service: Service
) -> None:
    first = hand(b"score=70").headers["location"]
    grading.grade(service, FakeGrader(digest="older"), stored(service)[0].id, worker="w")
    second = hand(b"score=70").headers["location"]
    assert second != first, "the exercise has been changed since"
    grading.grade(service, FakeGrader(), stored(service)[1].id, worker="w")
    assert hand(b"score=70").headers["location"] == second
    with service.database.transaction() as session:
        session.get_one(LtiLink, place.link_id).exercise = "basic_block"
    assert hand(b"score=70").headers["location"] not in (first, second)
    judged = [(one.exercise, one.attempt) for one in stored(service)]
    assert judged == [(reference.DEFAULT, 1), (reference.DEFAULT, 2), ("basic_block", 1)]


def test_nobody_fills_the_queue(hand: Hand, service: Service) -> None:
    for number in range(MOST_WAITING):
        assert hand(b"%d" % number).status_code == 303
    answer = hand(b"one more")
    assert answer.status_code == 429 and "wait for one of them" in answer.text
    assert len(stored(service)) == MOST_WAITING
    object.__setattr__(service.settings, "queue_depth", 1)
    with service.database.transaction() as session:
        session.execute(LtiAttempt.__table__.delete())
    answer = hand(b"one more")
    assert answer.status_code == 503 and "try again in a minute" in answer.text


def test_nobody_fills_the_database(
    hand: Hand, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handing_in, "MOST_A_DAY", 5)
    for number in range(5):
        assert hand(b"score=%d" % number).status_code == 303
        grading.grade(service, FakeGrader(), stored(service)[-1].id, worker="w")
    again = hand(b"score=4")
    assert again.status_code == 303 and again.headers["location"].endswith(stored(service)[-1].id)
    answer = hand(b"score=5")
    assert answer.status_code == 429 and "go on tomorrow" in answer.text
    with service.database.transaction() as session:
        session.execute(update(Submission).values(submitted_at=now() - timedelta(hours=25)))
    assert hand(b"score=5").status_code == 303


def test_what_an_outage_kept_from_being_stored_is_not_called_safe(
    client: TestClient[Any],
    hand: Hand,
    place: Place,
    alice: Person,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away() -> None:
        raise OperationalError("SELECT 1", {}, Exception("the server closed the connection"))

    with monkeypatch.context() as outage:
        for way in ("do", "transaction", "reading"):
            outage.setattr(service.database, way, lambda *_: away())
        posted = hand()
        read = client.get(f"/links/{place.link_id}", headers=alice.headers)
    assert stored(service) == []
    assert posted.status_code == read.status_code == 503
    assert posted.headers["retry-after"] == read.headers["retry-after"] == "5"
    assert "not taken" in posted.text and "send it again" in posted.text
    assert "is lost" not in posted.text
    assert "Nothing that you handed in is lost" in read.text


def test_staff_and_placements_without_an_exercise_take_nothing(
    client: TestClient[Any], place: Place, alice: Person, hand: Hand, service: Service
) -> None:
    eve = place.launched("eve", "staff")
    url, data = f"/links/{place.link_id}/submissions", {"csrf": eve.csrf, "code": "x"}
    assert client.post(url, data=data, headers=eve.headers).status_code == 403
    with service.database.transaction() as session:
        session.get_one(LtiLink, place.link_id).exercise = "gone"
    answer = hand()
    assert answer.status_code == 409 and "tell your teacher" in answer.text
    with service.database.reading() as session:
        assert session.scalar(select(func.count(Submission.id))) == 0


def test_the_file_comes_back_as_it_was_and_is_never_shown(
    client: TestClient[Any], hand: Hand, alice: Person
) -> None:
    url = hand(b"<script>alert(1)</script>", "\u00fc <b>.py").headers["location"]
    answer = client.get(f"{url}/file", headers=alice.headers)
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["content-type"] == "application/octet-stream"
    said = "attachment; filename*=UTF-8''%C3%BC%20%3Cb%3E.py"
    assert answer.headers["content-disposition"] == said
    assert "sandbox" in answer.headers["content-security-policy"]
