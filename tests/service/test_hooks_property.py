"""Whatever is sent, the answer is one of those that are promised, and never an error of ours."""

import asyncio
import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from schemathesis.core.transport import Response

import reference
from grader.service.core import Service
from grader.service.webhooks import sources
from service.senders import body, hexed, push, signed

STATUSES = {202, 400, 401, 404, 409, 413, 422, 503}
EXAMPLES = settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# Any byte that HTTP lets through in a header's value, and some that it does not.
header_values = st.binary(max_size=60)
names = st.sampled_from(
    [
        *(b"webhook-id", b"webhook-timestamp", b"webhook-signature", b"content-type"),
        *(b"content-length", b"content-encoding", b"accept", b"authorization", b"cookie"),
        *(b"x-hub-signature-256", b"transfer-encoding", b"host", b"expect"),
        *(b"x-github-event", b"x-github-delivery"),
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


GOOD: dict[str, Any] = {
    "exercise": reference.DEFAULT,
    "user": "alice",
    "context": "algebra",
    "attempt": 1,
    "submitted_at": "2026-03-01T12:00:00Z",
}
files = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["hw.py", "b.py"]) | st.text(max_size=9) | values},
        optional={
            "content": st.text(max_size=30) | values,
            "encoding": st.sampled_from(["utf-8", "base64", "rot13"]),
            "sha256": st.text("0123456789abcdef", min_size=64, max_size=64) | values,
            "url": st.sampled_from(["https://x.org/", "http://127.0.0.1/", "ftp://"]),
        },
    ),
    max_size=3,
)


def deliveries() -> st.SearchStrategy[bytes]:
    """Bodies that are right, or nearly: some fields may be anything."""
    good = st.just([{"name": "hw.py", "content": "x = 1"}])
    changes = st.dictionaries(
        st.sampled_from(sorted(GOOD)),
        st.just("knitting") | st.text(max_size=20) | values,
        max_size=2,
    )
    event = st.builds(
        lambda kind, files, changes: {"type": kind, "data": {**GOOD, "files": files, **changes}},
        st.just("submission.created") | values,
        good | files | values,
        changes,
    )
    return event.map(lambda one: json.dumps(one).encode("utf-8", "surrogatepass"))


@pytest.fixture
def secrets(service: Service) -> dict[str, str]:
    forge = {"kind": "github", "exercise": reference.DEFAULT}
    return {
        "campus": sources.add(service.database, "campus"),
        "forge": sources.add(service.database, "forge", **forge),
    }


def ask(
    app: Litestar, path: bytes, headers: list[tuple[bytes, bytes]], chunks: list[bytes]
) -> tuple[int, bytes]:
    """Put a request to the application as a server would, with no client to tidy it up."""
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    left = [{"type": "http.request", "body": c, "more_body": True} for c in chunks]
    left.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[Any] = []

    async def receive() -> Any:
        return left.pop(0) if left else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def test_any_bytes_get_a_promised_answer(app: Litestar, secrets: dict[str, str]) -> None:
    @EXAMPLES
    @given(
        st.sampled_from([b"campus", b"forge", b"nobody", b"\xff", b"%00", b"a/b"]),
        st.lists(st.tuples(names, header_values), max_size=6),
        st.lists(st.binary(max_size=200), max_size=3),
    )
    def check(source: bytes, headers: list[tuple[bytes, bytes]], chunks: list[bytes]) -> None:
        status, _ = ask(app, b"/hooks/submissions/" + source, headers, chunks)
        assert status in STATUSES

    check()


def test_any_genuine_body_gets_a_promised_answer(app: Litestar, secrets: dict[str, str]) -> None:
    """With a right signature the body is read, and written to the database."""
    seen: set[int] = set()
    first = body()
    known = [(k.encode(), v.encode()) for k, v in signed(secrets["campus"], first, "msg_1").items()]
    assert ask(app, b"/hooks/submissions/campus", known, [first])[0] == 202

    @EXAMPLES
    @example(body(exercise="knitting"), [], "")
    @example(body(user=5), [], "")
    @given(
        deliveries() | st.binary(max_size=100),
        st.lists(st.tuples(names, header_values), max_size=3),
        st.sampled_from(["", "", "msg_1", "msg_2", "msg\x7f", "m.1"]),
    )
    def check(content: bytes, more: list[tuple[bytes, bytes]], message_id: str) -> None:
        headers = signed(secrets["campus"], content, message_id).items()
        encoded = [(name.encode(), value.encode()) for name, value in headers]
        mine = {name for name, _ in encoded} | {b"content-length"}
        others = [(name, value) for name, value in more if name not in mine]
        status, _ = ask(app, b"/hooks/submissions/campus", encoded + others, [content])
        assert status in STATUSES
        seen.add(status)

    check()
    assert seen >= {202, 400, 409, 422}, "the bodies were not telling enough"


def test_any_genuine_push_gets_a_promised_answer(app: Litestar, secrets: dict[str, str]) -> None:
    @EXAMPLES
    @given(
        st.dictionaries(st.sampled_from(["ref", "after", "repository"]), values).map(
            lambda changes: push(**changes)
        )
        | st.binary(max_size=50).map(lambda some: b"payload=" + some)
    )
    def check(content: bytes) -> None:
        headers = [
            (b"x-hub-signature-256", f"sha256={hexed(secrets['forge'], content)}".encode()),
            (b"x-github-delivery", b"d"),
            (b"x-github-event", b"push"),
        ]
        status, _ = ask(app, b"/hooks/submissions/forge", headers, [content])
        assert status in STATUSES

    check()


@pytest.fixture
def described(app: Litestar, secrets: dict[str, str]) -> Any:
    return schemathesis.openapi.from_asgi("/openapi/openapi.json", app)


def test_our_own_description_holds(described: Any) -> None:
    """Every operation that we describe, called with what fits and what does not."""
    count = 0
    for found in described.get_all_operations():
        operation = found.ok()

        @settings(EXAMPLES, max_examples=20)
        @given(operation.as_strategy())
        def check(case: Any) -> None:
            answer: Response = case.call()
            assert answer.status_code < 500, case.as_curl_command()

        check()
        count += 1
    assert count >= 8
