"""Results are told to who sent the submission: signed, on schedule, or parked."""

import dataclasses
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient
from processes import PATIENCE_S, until
from sqlalchemy import select, update
from standardwebhooks import Webhook

from grader.service import addresses, grading, regrading, submissions
from grader.service.core import Service
from grader.service.dispatch import NoDispatch
from grader.service.submissions import Incoming
from grader.service.tables import Notice, Source, now
from grader.service.webhooks import outbound, sources
from grader.service.webhooks.sender import Sender
from service.conftest import OPERATOR
from service.fakes import FakeGrader

URL = "https://campus.example.org/results"


class Campus:
    """Receives notices and answers as it is told."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.answer: Callable[[], httpx.Response] = lambda: httpx.Response(204)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer()


@pytest.fixture
def campus() -> Campus:
    return Campus()


@pytest.fixture
def sending(service: Service, campus: Campus) -> Service:
    """The service, with a client that reaches the campus alone."""
    return dataclasses.replace(service, client=httpx.Client(transport=httpx.MockTransport(campus)))


@pytest.fixture
def secret(service: Service) -> str:
    return sources.add(service.database, "campus", callback_url=URL)


@pytest.fixture
def graded(service: Service, secret: str, incoming: Callable[..., Incoming]) -> Callable[..., str]:
    """Grade a submission; return the id of its newest notice."""

    def make(content: bytes = b"score=70", **changes: Any) -> str:
        with service.database.transaction() as session:
            made = incoming(content, **changes)
            submission = submissions.accept(session, made, NoDispatch())
        assert grading.grade(service, FakeGrader(), submission.id, worker="w") == "recorded"
        with service.database.reading() as session:
            rows = select(Notice.id).where(Notice.submission_id == submission.id)
            return session.scalars(rows.order_by(Notice.created_at.desc())).first() or ""

    return make


def notice(service: Service, notice_id: str) -> Notice:
    with service.database.reading() as session:
        return session.get_one(Notice, notice_id)


def make_due(service: Service) -> None:
    with service.database.transaction() as session:
        session.execute(update(Notice).values(next_at=now() - timedelta(seconds=1)))


def test_a_result_is_told_and_signed(
    sending: Service, campus: Campus, secret: str, graded: Callable[..., str]
) -> None:
    sent = graded()
    assert outbound.send(sending, sent) == "sent"
    (request,) = campus.requests
    assert str(request.url) == URL
    told = Webhook(secret).verify(request.content, dict(request.headers))
    assert told["type"] == "result.graded"
    data = told["data"]
    assert (data["user"], data["score"], data["verdict"]) == ("alice", 70, "accepted")
    assert data["report_url"].startswith("http://testserver.local/submissions/")
    assert request.headers["webhook-id"] == sent
    assert "x = 1" not in request.content.decode()
    assert outbound.send(sending, sent) == "taken"  # never twice


def test_the_id_stays_and_the_schedule_is_kept(
    sending: Service, campus: Campus, graded: Callable[..., str]
) -> None:
    sent = graded()
    campus.answer = lambda: httpx.Response(500)
    for tries in range(1, len(outbound.SCHEDULE_S) + 1):
        make_due(sending)
        said = outbound.send(sending, sent)
        after = notice(sending, sent)
        assert after.tries == tries
        assert after.last_status == 500
        if tries < len(outbound.SCHEDULE_S):
            assert said == "later"
            wait = (after.next_at - now()).total_seconds()
            assert wait == pytest.approx(outbound.SCHEDULE_S[tries], abs=5)
            assert outbound.send(sending, sent) == "taken"  # it is not due
    assert said == "parked"
    assert {request.headers["webhook-id"] for request in campus.requests} == {sent}
    assert outbound.SCHEDULE_S == (0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_only_2xx_counts(
    sending: Service, campus: Campus, graded: Callable[..., str], status: int
) -> None:
    campus.answer = lambda: httpx.Response(status)
    assert outbound.send(sending, graded()) == "sent"


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 429, 500, 503])
def test_anything_else_does_not(
    sending: Service, campus: Campus, graded: Callable[..., str], status: int
) -> None:
    campus.answer = lambda: httpx.Response(status, headers={"location": "https://other.example/"})
    assert outbound.send(sending, graded()) == "later"
    assert len(campus.requests) == 1


def test_retry_after_is_honoured_within_reason(
    sending: Service, campus: Campus, graded: Callable[..., str]
) -> None:
    for asked, expected in (("900", 900), ("1", 5), ("99999999", 86_400), ("soon", 5)):
        campus.answer = lambda asked=asked: httpx.Response(503, headers={"retry-after": asked})
        sent = graded(f"score=70 {asked}".encode())
        outbound.send(sending, sent)
        wait = (notice(sending, sent).next_at - now()).total_seconds()
        assert wait == pytest.approx(expected, abs=5), asked


def test_gone_means_send_no_more_until_it_is_set_up_again(
    sending: Service, campus: Campus, graded: Callable[..., str]
) -> None:
    first, other = graded(b"score=1"), graded(b"score=2")
    campus.answer = lambda: httpx.Response(410)
    assert outbound.send(sending, first) == "parked"
    assert notice(sending, other).state == "parked"
    assert graded(b"score=3") == ""
    sources.rotate(sending.database, "campus", keep_hours=24)
    assert graded(b"score=4") != ""


def test_no_answer_is_tried_again(
    sending: Service, campus: Campus, graded: Callable[..., str]
) -> None:
    def refuse() -> httpx.Response:
        raise httpx.ConnectTimeout("too slow")

    campus.answer = refuse
    sent = graded()
    assert outbound.send(sending, sent) == "later"
    assert "too slow" in notice(sending, sent).problem


def test_a_private_address_is_parked_at_once_and_says_how_to_allow_it(
    service: Service, graded: Callable[..., str]
) -> None:
    with service.database.transaction() as session:
        session.execute(update(Source).values(callback_url="http://127.0.0.1:9/"))
    guarded = dataclasses.replace(service, client=addresses.client(()))
    sent = graded()
    assert outbound.send(guarded, sent) == "parked"
    assert "GRADER_ALLOW_NETWORKS" in notice(service, sent).problem


def test_every_live_secret_signs(
    sending: Service, campus: Campus, secret: str, graded: Callable[..., str]
) -> None:
    newer = sources.rotate(sending.database, "campus", keep_hours=1)
    outbound.send(sending, graded())
    for live in (secret, newer):
        Webhook(live).verify(campus.requests[0].content, dict(campus.requests[0].headers))


def test_a_regrade_is_an_update(
    sending: Service, campus: Campus, graded: Callable[..., str]
) -> None:
    submission = notice(sending, graded()).submission_id
    regrading.regrade(sending, submission)
    with sending.database.transaction() as session:
        session.execute(update(Notice).values(state="sent"))
        from grader.service.tables import Result

        session.execute(update(Result).values(exercise_digest="0" * 64))
    grading.grade(sending, FakeGrader(), submission, worker="w")
    (source,) = outbound.sources_due(sending)
    (sent,) = outbound.due(sending, source)
    assert notice(sending, sent).type == "result.updated"


def test_what_is_parked_is_shown_and_can_be_sent_again(
    sending: Service, client: TestClient[Any], graded: Callable[..., str]
) -> None:
    sent = graded()
    with sending.database.transaction() as session:
        session.execute(update(Notice).values(state="parked", problem="it answered 500"))
    headers = {"authorization": f"Bearer {OPERATOR}"}
    (listed,) = client.get("/parked", headers=headers).json()
    assert listed == {
        "kind": "notice",
        "id": sent,
        "source": "campus",
        "problem": "it answered 500",
    }
    assert client.get("/parked").status_code == 401
    assert client.post(f"/notices/{sent}/resend").status_code == 401
    assert client.post(f"/notices/{sent}/resend", headers=headers).status_code == 202
    assert outbound.send(sending, sent) == "sent"
    assert client.post(f"/notices/{sent}/resend", headers=headers).status_code == 404


def test_a_slow_source_delays_no_other(
    sending: Service, graded: Callable[..., str], campus: Campus
) -> None:
    sources.add(sending.database, "slow", callback_url="https://slow.example.org/")
    answered: list[str] = []
    other = threading.Event()

    def respond(request: httpx.Request) -> httpx.Response:
        host = request.url.host
        if host == "slow.example.org":  # it answers when the other one has, or not for long
            other.wait(PATIENCE_S)
        answered.append(host)
        if host == "campus.example.org":
            other.set()
        return httpx.Response(204)

    sending = dataclasses.replace(
        sending, client=httpx.Client(transport=httpx.MockTransport(respond))
    )
    for number in range(3):
        graded(f"score={number}".encode(), source="slow")
    graded(b"score=9")
    sender = Sender(sending)
    sender.start()
    until(lambda: len(answered) == 4, patience_s=5 * PATIENCE_S)
    sender.stop()
    assert answered[0] == "campus.example.org"


def test_told_to_stop_it_ends_after_the_notice_under_way(
    sending: Service, graded: Callable[..., str], campus: Campus
) -> None:
    held, go = threading.Event(), threading.Event()

    def hold() -> httpx.Response:
        held.set()
        assert go.wait(PATIENCE_S)
        return httpx.Response(204)

    campus.answer = hold
    for number in range(3):
        graded(f"score={number}".encode())
    sender = Sender(sending)
    sender.start()
    assert held.wait(PATIENCE_S)
    sender.request_stop()
    go.set()
    sender.stop()
    with sending.database.reading() as session:
        states = sorted(session.scalars(select(Notice.state)))
    assert (len(campus.requests), states) == (1, ["sent", "waiting", "waiting"])


def test_a_source_without_an_address_is_told_nothing(
    service: Service, graded: Callable[..., str]
) -> None:
    sources.add(service.database, "quiet")
    assert graded(source="quiet") == ""
