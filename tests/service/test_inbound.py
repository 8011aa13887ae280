"""A delivery is answered with exactly the status that it deserves, and taken once."""

import asyncio
import dataclasses
import hashlib
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from processes import PATIENCE_S
from sqlalchemy import func, select

import reference
from grader.service.app import create_app
from grader.service.core import Service
from grader.service.settings import Settings
from grader.service.submissions import files_of
from grader.service.tables import DONE, Delivery, Grading, Submission
from grader.service.webhooks import inbound, routes, sources
from grader.service.webhooks.routes import BODIES_EACH
from service import senders
from service.senders import body, deliver, hexed, push, signed


@pytest.fixture
def secret(service: Service) -> str:
    return sources.add(service.database, "campus")


def rows(service: Service, table: type[Any]) -> int:
    with service.database.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_submission_is_accepted_with_its_grading_and_delivery(
    client: TestClient[Any], service: Service, secret: str
) -> None:
    answer = deliver(client, secret, body("print(1)\n"))
    assert answer.status_code == 202, answer.text
    with service.database.reading() as session:
        submission = session.get_one(Submission, answer.json()["id"])
        grading = session.scalars(select(Grading)).one()
    assert (submission.source, submission.course, submission.user) == ("campus", "algebra", "alice")
    assert submission.attempt == 1
    assert submission.submitted_at.isoformat() == "2026-03-01T12:00:00+00:00"
    assert [(file.name, file.content) for file in files_of(submission)] == [
        ("hw.py", b"print(1)\n")
    ]
    assert (grading.submission_id, grading.state) == (submission.id, "waiting")
    assert client.get(answer.json()["status_url"]).json()["state"] == "waiting"


def test_the_same_delivery_again_is_the_same_submission(
    client: TestClient[Any], service: Service, secret: str
) -> None:
    content = body()
    first, again = (deliver(client, secret, content, "msg_1") for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert rows(service, Submission) == rows(service, Grading) == 1


def test_the_same_id_with_another_body_is_a_conflict(
    client: TestClient[Any], service: Service, secret: str
) -> None:
    deliver(client, secret, body("one"), "msg_1")
    for changed in (body("two"), b"no json"):
        assert deliver(client, secret, changed, "msg_1").status_code == 409
    assert rows(service, Submission) == 1


def test_the_same_id_from_another_source_is_another_delivery(
    client: TestClient[Any], service: Service, secret: str
) -> None:
    other = sources.add(service.database, "other")
    one = deliver(client, secret, body("one"), "msg_1")
    two = deliver(client, other, body("two"), "msg_1", name="other")
    assert one.json()["id"] != two.json()["id"]


def test_eight_clients_at_once_make_one_submission(
    client: TestClient[Any], service: Service, secret: str
) -> None:
    content = body()
    headers = signed(secret, content, "msg_1")
    del client
    lowered = {name.lower(): value for name, value in headers.items()}
    with ThreadPoolExecutor(8) as pool:
        jobs = [
            pool.submit(inbound.deliver, service, "campus", lowered, content) for _ in range(24)
        ]
        receipts = [job.result() for job in jobs]
    assert len({receipt.submission.id for receipt in receipts if receipt.submission}) == 1
    assert rows(service, Submission) == rows(service, Grading) == rows(service, Delivery) == 1


def test_a_large_body_is_refused_before_its_signature_is_looked_at(
    client: TestClient[Any], secret: str
) -> None:
    at_most, more = b"x" * inbound.BODY_BYTES, b"x" * (inbound.BODY_BYTES + 1)
    url = "/hooks/submissions/campus"
    assert client.post(url, content=at_most).status_code == 401
    assert client.post(url, content=more).status_code == 413
    # Without a Content-Length the bytes that really come are counted.
    assert client.post(url, content=iter([at_most, b"x"])).status_code == 413
    assert client.post(url, content=b"", headers={"content-length": "9" * 30}).status_code == 413


def test_slow_strangers_take_neither_the_memory_nor_the_room_of_deliveries(
    app: Litestar, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each may hold 1 MiB for as long as it takes to come; small deliveries need no room."""
    go, url = asyncio.Event(), "/hooks/submissions/campus"

    async def slow() -> AsyncIterator[bytes]:
        yield b"x"
        await go.wait()

    async def main() -> None:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://testserver.local"
        ) as sender:
            flood = [asyncio.create_task(sender.post(url, content=slow())) for _ in range(80)]
            async with asyncio.timeout(PATIENCE_S):
                while sum(one.done() for one in flood) < 80 - BODIES_EACH:
                    await asyncio.sleep(0.05)
            assert {one.result().status_code for one in flood if one.done()} == {503}
            content = body()
            headers = {**signed(secret, content), "content-length": str(len(content))}
            assert (await sender.post(url, content=content, headers=headers)).status_code == 202
            go.set()
            ended = [(await one).status_code for one in flood]
            assert ended.count(401) == BODIES_EACH
            go.clear()
            monkeypatch.setattr(routes, "_BODY_S", 0.2)
            answer = await sender.post(url, content=slow())
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")

    asyncio.run(main())


def test_an_unknown_source_is_not_found(client: TestClient[Any], secret: str) -> None:
    content = body()
    for name in ("nobody", "Campus", "%00", "a" * 200, "%ff", "..", "a b", "-"):
        url = f"/hooks/submissions/{quote(name, safe='%')}"
        answer = client.post(url, content=content, headers=signed(secret, content))
        assert answer.status_code == 404, name


def test_who_does_not_sign_is_unauthorised(client: TestClient[Any], secret: str) -> None:
    content = body()
    url = "/hooks/submissions/campus"
    good = signed(secret, content)
    for name in good:
        without = {key: value for key, value in good.items() if key != name}
        assert client.post(url, content=content, headers=without).status_code == 401
    for changes in (
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,\u00e9".encode("latin-1").decode("latin-1")},
        {"webhook-timestamp": "\u0662"},
        {"webhook-timestamp": "1e9"},
    ):
        encoded = {k: v.encode("utf-8", "surrogateescape") for k, v in {**good, **changes}.items()}
        assert client.post(url, content=content, headers=encoded).status_code == 401


def test_an_id_with_a_dot_is_refused(client: TestClient[Any], secret: str) -> None:
    assert deliver(client, secret, body(), "msg.1").status_code == 400
    assert deliver(client, secret, body(), "m" * 201).status_code == 400


UNREADABLE: list[dict[str, Any]] = [
    {"files": []},
    {"files": [{"name": "hw.py"}]},
    {"files": [{"name": "hw.py", "content": "x", "url": "https://x.org/a"}]},
    {"files": [{"name": "hw.py", "url": "https://x.org/a"}]},
    {"files": [{"name": "hw.py", "url": "file:///etc/passwd", "sha256": "0" * 64}]},
    {"files": [{"name": "../hw.py", "content": "x"}]},
    {"files": [{"name": "..", "content": "x"}]},
    {"files": [{"name": "a\\b.py", "content": "x"}]},
    {"files": [{"name": "hw\u0000.py", "content": "x"}]},
    {"files": [{"name": "hw.py\n", "content": "x"}]},
    {"files": [{"name": "hw.py", "content": "x"}] * 2},
    {"files": [{"name": "\u8bfe" * 90 + ".py", "content": "x"}]},  # 273 bytes
    {"files": [{"name": f"{i}.py", "content": "x"} for i in range(21)]},
    {"files": [{"name": "hw.py", "content": "not base64!", "encoding": "base64"}]},
    {"files": [{"name": "hw.py", "content": 5}]},
    {"user": ""},
    {"user": "a" * 201},
    {"user": "al\u0000ice"},
    {"user": None},
    {"context": 7},
    {"exercise": ["x"]},
    {"attempt": -1},
    {"attempt": 1.5},
    {"attempt": 2**40},
    {"submitted_at": "yesterday"},
    {"submitted_at": "2026-03-01T12:00:00"},
    {"submitted_at": "0001-01-01T00:00:00+14:00"},
]
NO_DELIVERIES = [
    b"",
    b"null",
    b"[]",
    b"{",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"type":"\\ud800"}',
    b"1" * 9999,
]


def test_a_body_that_cannot_be_read_is_a_bad_request(
    client: TestClient[Any], service: Service, secret: str
) -> None:
    for content in [body(**changes) for changes in UNREADABLE] + NO_DELIVERIES:
        answer = deliver(client, secret, content)
        assert answer.status_code == 400, content[:300]
        assert answer.json()["error"]
    assert rows(service, Submission) == 0


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_moment_that_none_is_is_a_bad_request_that_says_so(
    client: TestClient[Any], secret: str, moment: str
) -> None:
    """Go and .NET write the first one for none."""
    late = json.loads(body(submitted_at=None)) | {"timestamp": moment}
    for content in (body(submitted_at=moment), json.dumps(late).encode()):
        answer = deliver(client, secret, content)
        assert answer.status_code == 400
        assert "between the years 2000 and 2100" in answer.json()["error"]
    fine = json.loads(body()) | {"timestamp": moment}
    assert deliver(client, secret, json.dumps(fine).encode()).status_code == 202


def test_what_cannot_be_true_is_unprocessable(client: TestClient[Any], secret: str) -> None:
    unknown = deliver(client, secret, body(exercise="knitting"))
    assert unknown.status_code == 422
    assert reference.DEFAULT in unknown.json()["error"]
    wrong = {"name": "hw.py", "content": "x", "sha256": "0" * 64}
    assert deliver(client, secret, body(files=[wrong])).status_code == 422


def test_files_may_be_binary_and_are_checked(
    client: TestClient[Any], service: Service, secret: str
) -> None:
    sent = {"name": "hw.zip", "content": "AAEC/w==", "encoding": "base64"}
    sent["sha256"] = hashlib.sha256(b"\x00\x01\x02\xff").hexdigest()
    answer = deliver(client, secret, body(files=[sent]))
    assert answer.status_code == 202
    with service.database.reading() as session:
        submission = session.get_one(Submission, answer.json()["id"])
    assert files_of(submission)[0].content == b"\x00\x01\x02\xff"


def test_above_the_set_depth_it_says_when_to_come_back(
    service: Service, secret: str, settings: Settings
) -> None:
    full = dataclasses.replace(service, settings=dataclasses.replace(settings, queue_depth=2))
    with TestClient(create_app(full)) as client:
        first = [deliver(client, secret, body(str(i)), f"msg_{i}") for i in range(2)]
        refused = deliver(client, secret, body("3"), "msg_3")
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        # What was accepted before is still known.
        again = deliver(client, secret, body("0"), "msg_0")
        assert (again.status_code, again.json()) == (202, first[0].json())
        with service.database.transaction() as session:
            for grading in session.scalars(select(Grading)):
                grading.state = DONE
        assert deliver(client, secret, body("3"), "msg_3").status_code == 202


def test_rotated_secrets_overlap(client: TestClient[Any], service: Service, secret: str) -> None:
    newer = sources.rotate(service.database, "campus", keep_hours=1)
    for live in (secret, newer):
        assert deliver(client, live, body()).status_code == 202
    newest = sources.rotate(service.database, "campus", keep_hours=0)
    assert deliver(client, secret, body()).status_code == 401
    assert deliver(client, newer, body()).status_code == 401
    assert deliver(client, newest, body()).status_code == 202


@pytest.mark.parametrize(
    ("kind", "prefix", "signature", "before"),
    [
        ("github", "X-GitHub", "X-Hub-Signature-256", "sha256="),
        ("gitea", "X-Gitea", "X-Gitea-Signature", ""),
        ("forgejo", "X-Forgejo", "X-Forgejo-Signature", ""),
    ],
)
def test_a_push_is_a_submission(
    client: TestClient[Any],
    service: Service,
    kind: str,
    prefix: str,
    signature: str,
    before: str,
) -> None:
    secret = sources.add(service.database, "forge", kind=kind, exercise=reference.DEFAULT)

    def send(content: bytes, event: str = "push", delivery: str = "d-1") -> Any:
        headers = {
            signature: before + hexed(secret, content),
            f"{prefix}-Delivery": delivery,
            f"{prefix}-Event": event,
        }
        return client.post("/hooks/submissions/forge", content=content, headers=headers)

    first, again, replayed = send(push()), send(push()), send(push(), delivery="d-2")
    assert first.status_code == 202, first.text
    # They sign no id: who has seen a push, as its student may, could send it under any number.
    assert first.json() == again.json() == replayed.json()
    with service.database.reading() as session:
        submission = session.get_one(Submission, first.json()["id"])
    assert (submission.user, submission.course) == ("course/hw1-alice", "forge")
    assert files_of(submission)[0].url.endswith(f"/zipball/{'5' * 40}")
    for nothing in (
        send(b'{"zen": "x"}', "ping", "d-2"),
        send(push(ref="refs/heads/draft"), delivery="d-3"),
        send(push(after="0" * 40), delivery="d-4"),
    ):
        assert nothing.status_code == 202
        assert nothing.json()["ignored"]
    assert send(b"{}", delivery="d-5").status_code == 400
    assert send(push(), delivery="").status_code == 400
    unsigned = client.post("/hooks/submissions/forge", content=push())
    assert unsigned.status_code == 401
    assert rows(service, Submission) == rows(service, Delivery) == 1


def test_github_may_send_a_form(client: TestClient[Any], service: Service) -> None:
    secret = sources.add(service.database, "forge", kind="github", exercise=reference.DEFAULT)
    content = b"payload=" + quote(push().decode()).encode()
    headers = {
        "X-Hub-Signature-256": f"sha256={hexed(secret, content)}",
        "X-GitHub-Delivery": "d-1",
        "X-GitHub-Event": "push",
    }
    answer = client.post("/hooks/submissions/forge", content=content, headers=headers)
    assert answer.status_code == 202
    assert "id" in answer.json()


def test_gitea_has_no_api_template_and_its_pages_serve_archives(
    client: TestClient[Any], service: Service
) -> None:
    secret = sources.add(service.database, "forge", kind="gitea", exercise=reference.DEFAULT)
    event = json.loads(senders.push())
    del event["repository"]["archive_url"]
    content = json.dumps(event).encode()
    headers = {"X-Gitea-Signature": hexed(secret, content), "X-Gitea-Delivery": "d"}
    headers["X-Gitea-Event"] = "push"
    answer = client.post("/hooks/submissions/forge", content=content, headers=headers)
    with service.database.reading() as session:
        file = files_of(session.get_one(Submission, answer.json()["id"]))[0]
    assert file.url == f"https://github.com/course/hw1-alice/archive/{'5' * 40}.zip"
