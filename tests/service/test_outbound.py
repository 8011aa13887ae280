"""Results are told to who sent the submission: signed, on schedule, or parked."""

import dataclasses
import json
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient
from processes import PATIENCE_S, until
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from standardwebhooks import Webhook

import reference
from grader.report.document import to_json
from grader.service import addresses, grading, regrading, results, submissions
from grader.service.core import Service
from grader.service.dispatch import NoDispatch
from grader.service.judging.work import Reply, Work
from grader.service.submissions import Incoming
from grader.service.tables import Notice, Result, Source, Submission, now
from grader.service.webhooks import outbound, planning, sources
from grader.service.webhooks.sender import Sender
from service.conftest import OPERATOR
from service.fakes import FakeGrader, report

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
    dates = [format_datetime(now() + timedelta(hours=hours), usegmt=True) for hours in (1, 99, -1)]
    waits = {"900": 900, "1": 5, "99999999": 86_400, "soon": 5}
    waits |= dict(zip(dates, (3600, 86_400, 5), strict=True))
    for asked, expected in waits.items():
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
    later = graded(b"score=3")
    assert (notice(sending, later).state, notice(sending, later).tries) == ("parked", 0)
    assert notice(sending, later).problem == planning.REFUSED
    sources.rotate(sending.database, "campus", keep_hours=24)
    assert notice(sending, graded(b"score=4")).state == "waiting"
    campus.answer = lambda: httpx.Response(204)
    assert outbound.resend(sending, later)
    send_due(sending)
    assert sorted(scores(campus)) == [1, 3, 4]


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


def regraded(service: Service, submission_id: str, score: int = 100) -> str:
    """Grade once more, as if under another version of the exercise; return the newest notice."""

    class Judge(FakeGrader):
        def grade(self, work: Work) -> Reply:
            return Reply(report=to_json(report(score=score)))

    present = Result.exercise_digest == reference.load(reference.DEFAULT).digest
    with service.database.transaction() as session:
        session.execute(update(Result).where(present).values(exercise_digest=uuid.uuid4().hex * 2))
    assert regrading.regrade(service, submission_id)
    assert grading.grade(service, Judge(), submission_id, worker="w") == "recorded"
    with service.database.reading() as session:
        rows = select(Notice.id).where(Notice.submission_id == submission_id)
        return session.scalars(rows.order_by(Notice.created_at.desc())).first() or ""


def send_due(service: Service) -> None:
    for source in outbound.sources_due(service):
        for one in outbound.due(service, source):
            outbound.send(service, one)


def scores(campus: Campus) -> list[int]:
    return [json.loads(request.content)["data"]["score"] for request in campus.requests]


def test_a_regrade_is_an_update(
    sending: Service, campus: Campus, graded: Callable[..., str]
) -> None:
    first = graded(b"score=30")
    outbound.send(sending, first)
    newer = regraded(sending, notice(sending, first).submission_id)
    assert notice(sending, newer).type == "result.updated"
    send_due(sending)
    assert scores(campus) == [30, 100]


@pytest.mark.parametrize("state", ["waiting", "parked"])
def test_an_older_result_is_not_told_after_a_newer_one(
    sending: Service, campus: Campus, graded: Callable[..., str], state: str
) -> None:
    older = graded(b"score=30")
    campus.answer = lambda: httpx.Response(500)
    outbound.send(sending, older)
    with sending.database.transaction() as session:
        session.execute(update(Notice).values(state=state))
    newer = regraded(sending, notice(sending, older).submission_id)
    campus.requests.clear()
    campus.answer = lambda: httpx.Response(204)
    make_due(sending)
    assert not outbound.resend(sending, older)
    send_due(sending)
    make_due(sending)
    send_due(sending)
    assert scores(campus) == [100]
    assert (notice(sending, older).state, notice(sending, newer).state) == ("superseded", "sent")


@pytest.mark.parametrize(("status", "ends"), [(204, "sent"), (500, "superseded")])
def test_a_newer_result_waits_for_an_attempt_that_is_under_way(
    sending: Service, campus: Campus, graded: Callable[..., str], status: int, ends: str
) -> None:
    older = graded(b"score=30")
    newer: list[str] = []

    def regrade_meanwhile() -> httpx.Response:
        newer.append(regraded(sending, notice(sending, older).submission_id, 90))
        newer.append(regraded(sending, notice(sending, older).submission_id, 100))
        assert outbound.sources_due(sending) == []  # another sender looks
        assert [outbound.send(sending, one) for one in newer] == ["taken", "taken"]
        return httpx.Response(status)

    campus.answer = regrade_meanwhile
    outbound.send(sending, older)
    assert notice(sending, older).state == ends
    campus.answer = lambda: httpx.Response(204)
    send_due(sending)  # at once: the attempt that it waited for has ended
    assert scores(campus) == [30, 100]


def test_a_newer_result_waits_out_the_lease_of_a_sender_that_is_gone(
    sending: Service, campus: Campus, graded: Callable[..., str]
) -> None:
    older = graded(b"score=30")

    class Killed(BaseException):
        pass

    def kill() -> httpx.Response:
        raise Killed

    campus.answer = kill
    with pytest.raises(Killed):
        outbound.send(sending, older)
    newer = regraded(sending, notice(sending, older).submission_id)
    wait_s = (notice(sending, newer).next_at - now()).total_seconds()
    assert wait_s == pytest.approx(planning.LEASE_S, abs=30)
    make_due(sending)
    campus.answer = lambda: httpx.Response(204)
    send_due(sending)
    assert scores(campus) == [30, 100]


def test_a_sender_that_froze_ends_no_lease_but_its_own(
    sending: Service, campus: Campus, graded: Callable[..., str]
) -> None:
    older = graded(b"score=30")
    newer: list[str] = []

    def another_sends() -> httpx.Response:  # at this one's end its successor still waits
        newer.append(regraded(sending, notice(sending, older).submission_id))
        return httpx.Response(500)

    def freeze() -> httpx.Response:
        make_due(sending)
        with sending.database.transaction() as session:
            session.execute(update(Notice).values(leased_until=now() - timedelta(seconds=1)))
        campus.answer = another_sends
        return httpx.Response(500) if outbound.send(sending, older) else httpx.Response(204)

    campus.answer = freeze
    outbound.send(sending, older)
    campus.answer = lambda: httpx.Response(204)
    send_due(sending)
    assert scores(campus) == [30, 30, 100]
    assert notice(sending, newer[0]).state == "sent"


def plan_again(service: Service, session: Session, notice_id: str) -> None:
    """Plan a newer notice, as whoever records a result does within its transaction."""
    submission = session.get_one(Submission, session.get_one(Notice, notice_id).submission_id)
    result = results.latest(session, submission.id)
    assert result is not None
    planning.plan(service, session, submission, result)
    session.flush()


def test_who_comes_as_a_newer_result_is_being_recorded_sends_no_older_one(
    sending: Service, campus: Campus, graded: Callable[..., str]
) -> None:
    older = graded()
    with ThreadPoolExecutor(1) as other:
        with sending.database.transaction() as session:
            plan_again(sending, session, older)
            said = other.submit(outbound.send, sending, older)
            time.sleep(0.5)  # it is at the older one's row by now; if not, nothing is lost
        assert said.result(PATIENCE_S) == "taken"
    assert campus.requests == []


def test_an_attempt_that_ends_as_a_newer_result_is_being_recorded_keeps_that(
    sending: Service, campus: Campus, graded: Callable[..., str]
) -> None:
    older, begun, go = graded(), threading.Event(), threading.Event()
    with sending.database.transaction() as session:
        session.execute(update(Notice).values(tries=len(outbound.SCHEDULE_S) - 1))

    def fail() -> httpx.Response:
        begun.set()
        assert go.wait(PATIENCE_S)
        return httpx.Response(500)

    campus.answer = fail
    with ThreadPoolExecutor(1) as other:
        said = other.submit(outbound.send, sending, older)
        assert begun.wait(PATIENCE_S)
        with sending.database.transaction() as session:
            plan_again(sending, session, older)
            go.set()
            time.sleep(0.5)  # as above
        said.result(PATIENCE_S)
    assert notice(sending, older).state == "superseded"


def test_a_newer_result_does_not_wait_for_the_older_ones_schedule(
    sending: Service, campus: Campus, graded: Callable[..., str]
) -> None:
    older = graded(b"score=30")
    campus.answer = lambda: httpx.Response(503, headers={"retry-after": "86400"})
    assert outbound.send(sending, older) == "later"
    regraded(sending, notice(sending, older).submission_id)
    campus.answer = lambda: httpx.Response(204)
    send_due(sending)
    assert scores(campus) == [30, 100]


def test_sending_again_lets_an_attempt_that_is_under_way_end(
    sending: Service, campus: Campus, graded: Callable[..., str]
) -> None:
    sent = graded()

    def again_meanwhile() -> httpx.Response:
        assert outbound.resend(sending, sent)
        assert outbound.send(sending, sent) == "taken"
        return httpx.Response(204)

    campus.answer = again_meanwhile
    assert outbound.send(sending, sent) == "sent"
    assert len(campus.requests) == 1


def test_what_is_parked_for_a_source_that_is_gone_is_the_newest_result(
    sending: Service, campus: Campus, graded: Callable[..., str]
) -> None:
    older = graded(b"score=30")
    campus.answer = lambda: httpx.Response(410)
    assert outbound.send(sending, older) == "parked"
    newer = regraded(sending, notice(sending, older).submission_id)
    assert (notice(sending, newer).state, notice(sending, older).state) == ("parked", "superseded")
    assert "410" in notice(sending, newer).problem
    campus.answer = lambda: httpx.Response(204)
    assert outbound.resend(sending, newer)
    send_due(sending)
    assert scores(campus) == [30, 100]


def test_a_newer_result_has_the_later_timestamp_whatever_the_clocks_say(
    sending: Service, campus: Campus, graded: Callable[..., str]
) -> None:
    older = graded(b"score=30")
    with sending.database.transaction() as session:  # by a worker whose clock is fast
        fast = now().replace(microsecond=0) + timedelta(hours=1)
        session.execute(update(Notice).values(created_at=fast))
    newer = notice(sending, regraded(sending, notice(sending, older).submission_id))
    told = json.loads(newer.body)["timestamp"]
    assert told == (fast + timedelta(microseconds=1)).isoformat()
    assert newer.next_at <= now()


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


def test_what_a_source_that_is_gone_refuses_is_listed_behind_the_rest(
    sending: Service, client: TestClient[Any], campus: Campus, graded: Callable[..., str]
) -> None:
    """Its results go on: more than are listed would hide what somebody can do something about."""
    sources.add(sending.database, "slow", callback_url="https://slow.example.org/")
    campus.answer = lambda: httpx.Response(410)
    outbound.send(sending, graded(b"score=1"))
    refused, slow = graded(b"score=2"), graded(b"score=3", source="slow")
    with sending.database.transaction() as session:
        session.get_one(Notice, slow).state = "parked"
    headers = {"authorization": f"Bearer {OPERATOR}"}
    listed = [one["id"] for one in client.get("/parked", headers=headers).json()]
    assert listed[0] == slow and refused in listed


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
