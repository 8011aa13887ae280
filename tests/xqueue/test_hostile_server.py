"""Against a server that breaks every rule: no result is lost, no loop ends, nothing is misread."""

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from xqueue_parts import CREDENTIALS, body

from grader.xqueue import pace
from grader.xqueue.client import Client, LoginRefused, Refused, ServerTrouble, Unanswered
from grader.xqueue.protocol import Submission
from grader.xqueue.puller import Puller
from grader.xqueue.spool import Spool

Answer = Callable[[httpx.Request], httpx.Response]
EMPTY = b'{"return_code": 1, "content": "Queue \'q\' is empty"}'
OK = b'{"return_code": 0, "content": ""}'


def handed_out(number: int, **parts: object) -> bytes:
    """Return an answer that hands out a submission."""
    content = {
        "xqueue_header": json.dumps({"submission_id": number, "submission_key": "k"}),
        "xqueue_body": json.dumps({"student_response": f"{number}", "grader_payload": ""}),
        "xqueue_files": "{}",
        **parts,
    }
    return json.dumps({"return_code": 0, "content": json.dumps(content)}).encode()


def client(answers: dict[str, Answer]) -> Client:
    """Return a client whose server answers so; what is not named logs in or says OK."""

    def answer(request: httpx.Request) -> httpx.Response:
        action = request.url.path.split("/")[2]
        return answers.get(action, lambda _: httpx.Response(200, content=OK))(request)

    return Client("http://q", "q", CREDENTIALS, transport=httpx.MockTransport(answer))


def saying(status: int, data: bytes = b"") -> Answer:
    return lambda request: httpx.Response(status, content=data, headers={"Location": "/login"})


def raising(error: type[httpx.TransportError]) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error("dropped", request=request)

    return answer


def one_by_one(*pulled: bytes) -> Answer:
    """Hand these out, then say that the queue is empty."""
    left = iter(pulled)
    return lambda request: httpx.Response(200, content=next(left, EMPTY))


NO_ANSWERS = {
    "html": (saying(200, b"<html>maintenance</html>"), ServerTrouble),
    "nothing": (saying(200), ServerTrouble),
    "a list": (saying(200, b"[1]"), ServerTrouble),
    "no code": (saying(200, b'{"content": ""}'), ServerTrouble),
    "another code": (saying(200, b'{"return_code": 7}'), ServerTrouble),
    "a code that is text": (saying(200, b'{"return_code": "0"}'), ServerTrouble),
    "nan": (saying(200, b'{"return_code": NaN}'), ServerTrouble),
    "no utf-8": (saying(200, b'{"return_code": 0, "content": "\xff"}'), ServerTrouble),
    "depth": (saying(200, b"[" * 1_000_000), ServerTrouble),
    "404 page": (saying(404, b"<html>"), ServerTrouble),
    "429": (saying(429), ServerTrouble),
    "500": (saying(500), Unanswered),
    "500 in words": (saying(500, OK), Unanswered),
    "503 in words": (saying(503, OK), ServerTrouble),
    "302 for ever": (saying(302), ServerTrouble),
    "401 for ever": (saying(401), ServerTrouble),
    "no connection": (raising(httpx.ConnectError), ServerTrouble),
    "dropped": (raising(httpx.RemoteProtocolError), Unanswered),
    "reset": (raising(httpx.ReadError), Unanswered),
    "slow": (raising(httpx.ReadTimeout), Unanswered),
}


@pytest.mark.parametrize(("answer", "raised"), NO_ANSWERS.values(), ids=NO_ANSWERS)
@pytest.mark.parametrize("action", ["get_submission", "put_result"])
def test_what_is_no_answer_is_trouble_that_may_pass(
    action: str, answer: Answer, raised: type[Exception]
) -> None:
    asked = client({action: answer})
    with pytest.raises(raised) as caught:
        asked.pull() if action == "get_submission" else asked.put("{}", body())
    assert type(caught.value) is raised


@pytest.mark.parametrize("status", [200, 400, 403, 404])
def test_a_refusal_in_the_protocol_s_words_is_final(status: int) -> None:
    said = b'{"return_code": 1, "content": "Incorrect key for submission"}'
    with pytest.raises(Refused, match="Incorrect key"):
        client({"put_result": saying(status, said)}).put("{}", body())


def test_an_unknown_queue_is_not_an_empty_one() -> None:
    said = b'{"return_code": 1, "content": "Queue \'q\' not found"}'
    with pytest.raises(ServerTrouble, match="not found"):
        client({"get_submission": saying(200, said)}).pull()
    assert client({"get_submission": saying(200, EMPTY)}).pull() is None


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (saying(401, b'{"return_code": 1, "content": "Incorrect login"}'), LoginRefused),
        (saying(200, b'{"return_code": 1, "content": "Incorrect login"}'), LoginRefused),
        (saying(500, OK), ServerTrouble),
        (saying(403, b"<html>CSRF"), ServerTrouble),
    ],
)
def test_a_login_is_refused_in_the_protocol_s_words_only(
    answer: Answer, raised: type[Exception]
) -> None:
    with pytest.raises(raised):
        client({"login": answer}).pull()


@pytest.mark.parametrize(
    "content",
    [
        {"xqueue_header": "{}"},
        {"xqueue_header": '{"submission_id": 1}'},
        {"xqueue_header": 5},
        {"xqueue_header": "[]"},
        {},
        "no JSON",
        None,
    ],
)
def test_a_submission_that_cannot_be_answered_is_trouble(content: object) -> None:
    text = json.dumps(content) if isinstance(content, dict) else content
    data = json.dumps({"return_code": 0, "content": text}).encode()
    with pytest.raises(ServerTrouble):
        client({"get_submission": saying(200, data)}).pull()


@pytest.mark.parametrize(
    "parts",
    [
        {"xqueue_body": "no JSON"},
        {"xqueue_body": None},
        {"xqueue_body": "[]"},
        {"xqueue_body": '{"student_response": {"a": 1}}'},
        {"xqueue_body": '{"student_response": "", "grader_payload": 1}'},
        {"xqueue_files": "[]"},
        {"xqueue_files": '{"a.py": 1}'},
    ],
)
def test_a_submission_that_cannot_be_read_is_given_back_and_never_graded(
    parts: dict[str, object], tmp_path: Path, no_waiting: None
) -> None:
    replies = serve_one(handed_out(1, **parts), tmp_path)
    assert ["score" in reply for reply in replies] == [False]


@pytest.mark.parametrize("files", ["{}", "", None])
def test_no_files_may_be_said_in_three_ways(
    files: str | None, tmp_path: Path, no_waiting: None
) -> None:
    (reply,) = serve_one(handed_out(1, xqueue_files=files), tmp_path)
    assert reply == json.loads(body(0.25))


def test_what_was_given_back_is_looked_for_before_an_empty_queue_ends_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "after_failures", lambda count: 0.0)
    queue = [handed_out(1, xqueue_files="[]")]  # which cannot be read
    puts = iter([503, 200, 200])
    graded: list[str] = []

    def put(request: httpx.Request) -> httpx.Response:
        status = next(puts)
        if status == 200 and not graded:
            queue.append(handed_out(1))
        return httpx.Response(status, content=OK)

    def pull(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=queue.pop() if queue else EMPTY)

    spool = Spool(tmp_path)
    asked = client({"get_submission": pull, "put_result": put})

    def grade(submission: Submission) -> str:
        graded.append(submission.id)
        return body()

    Puller(asked, spool, grade, poll_s=0.5, until_empty=True).run()
    spool.close()
    assert len(graded) == 1, "it ended while the submission was in the queue again"


def serve_one(pulled: bytes, state: Path) -> list[dict[str, object]]:
    """Serve one pull, then an empty queue; return what was put."""
    replies: list[dict[str, object]] = []

    def put(request: httpx.Request) -> httpx.Response:
        replies.append(json.loads(httpx.QueryParams(request.content.decode())["xqueue_body"]))
        return httpx.Response(200, content=OK)

    asked = client({"get_submission": one_by_one(pulled), "put_result": put})
    spool = Spool(state)
    Puller(asked, spool, lambda _: body(0.25), until_empty=True).run()
    spool.close()
    return replies


def test_a_key_that_is_old_waits_for_the_next_pull_and_is_graded_once(
    tmp_path: Path, no_waiting: None
) -> None:
    new = json.dumps({"submission_id": 1, "submission_key": "new"})
    put: list[str] = []
    graded: list[str] = []

    def take(request: httpx.Request) -> httpx.Response:
        put.append(httpx.QueryParams(request.content.decode())["xqueue_header"])
        known = put[-1] == new
        said = b'{"return_code": 1, "content": "Incorrect key for submission"}'
        return httpx.Response(200, content=OK if known else said)

    asked = client(
        {
            "get_submission": one_by_one(handed_out(1), handed_out(1, xqueue_header=new)),
            "put_result": take,
        }
    )
    spool = Spool(tmp_path)
    Puller(asked, spool, lambda s: graded.append(s.id) or body(), until_empty=True).run()
    spool.close()
    assert len(graded) == 1
    assert put[-1] == new
    assert list(tmp_path.glob("*.json")) == []


def test_a_packed_answer_is_not_unpacked() -> None:
    """Each coding within another makes a thousand of a byte, before any length is counted."""

    def packed(request: httpx.Request) -> httpx.Response:
        assert request.headers["Accept-Encoding"] == "identity"
        data = iter([gzip.compress(gzip.compress(handed_out(1)))])
        return httpx.Response(200, headers={"Content-Encoding": "gzip, gzip"}, content=data)

    with pytest.raises(ServerTrouble, match="packed"):
        client({"get_submission": packed}).pull()


class Breaking:
    """A real socket that breaks the first connections, each in another way, then serves well."""

    WAYS = (
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    )

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.taken: list[bytes] = []
        self._ways = {action: iter(self.WAYS) for action in ("login", "get", "put")}
        self._pulls = iter([handed_out(1)])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.sendall(self._answer(self._request(connection)))

    def _request(self, connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, rest = data.partition(b"\r\n\r\n")
        length = next((int(x[15:]) for x in head.split(b"\r\n") if x[:15] == b"Content-Length:"), 0)
        while len(rest) < length:
            rest += connection.recv(65536)
        return head + b"\r\n\r\n" + rest

    def _answer(self, request: bytes) -> bytes:
        action = next(name for name in self._ways if b"/xqueue/" + name.encode() in request)
        broken = next(self._ways[action], None)
        if broken is not None:
            return broken
        if action == "put":
            self.taken.append(request)
        data = next(self._pulls, EMPTY) if action == "get" else OK
        head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n"
        return head.encode() + data


@pytest.fixture
def breaking() -> Iterator[Breaking]:
    server = Breaking()
    yield server
    server.close()


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "after_failures", lambda count, **bounds: 0.01)
    monkeypatch.setattr(pace, "between_polls", lambda poll_s: 0.01)


def test_a_server_that_breaks_in_every_way_gets_its_result_in_the_end(
    breaking: Breaking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_waiting: None
) -> None:
    monkeypatch.setattr("grader.xqueue.puller._MOST_UNSURE_PUTS", 100)
    spool, asked = Spool(tmp_path), Client(breaking.url, "q", CREDENTIALS)
    Puller(asked, spool, lambda _: body(0.5), until_empty=True).run()
    asked.close()
    spool.close()
    (taken,) = breaking.taken
    assert b"0.5" in taken
    assert list(tmp_path.glob("*.json")) == []


def test_a_result_outlives_the_process_while_the_server_is_down(
    tmp_path: Path, no_waiting: None
) -> None:
    spool = Spool(tmp_path)
    down = client({"get_submission": saying(200, handed_out(7)), "put_result": saying(503)})
    puller = Puller(down, spool, lambda _: puller.stop() or body(0.5))  # type: ignore[func-returns-value]
    puller.run()
    (kept,) = spool.jobs()
    assert kept.reply == body(0.5)
    spool.close()
    put: list[bytes] = []

    def take(request: httpx.Request) -> httpx.Response:
        put.append(request.content)
        return httpx.Response(200, content=OK)

    again = Spool(tmp_path)
    up = client({"get_submission": saying(200, EMPTY), "put_result": take})
    Puller(up, again, lambda _: pytest.fail("graded twice"), until_empty=True).run()
    assert len(put) == 1
    assert again.jobs() == []
    again.close()
