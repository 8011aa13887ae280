"""A file that was sent as an address is fetched within bounds, and is what it was said to be."""

import dataclasses
import hashlib
from collections.abc import Callable

import httpx
import msgspec
import pytest

import reference
from grader.service import addresses, grading, submissions
from grader.service.core import Service
from grader.service.dispatch import NoDispatch
from grader.service.fetching import FetchFailed, fetch
from grader.service.submissions import File, Incoming
from grader.service.webhooks import sources
from service.fakes import FakeGrader

Answer = Callable[[httpx.Request], httpx.Response]
URL = "https://uploads.example.org/hw.py"


@pytest.fixture
def kind() -> str:
    return "sqlite"


def answering(service: Service, answer: Answer) -> Service:
    return dataclasses.replace(service, client=httpx.Client(transport=httpx.MockTransport(answer)))


def file(content: bytes = b"score=5", url: str = URL) -> File:
    return File("hw.py", hashlib.sha256(content).hexdigest(), url=url)


def test_a_file_is_fetched_and_graded(service: Service, incoming: Callable[..., Incoming]) -> None:
    service = answering(service, lambda request: httpx.Response(200, content=b"score=5"))
    with service.database.transaction() as session:
        made = incoming(files=(file(),))
        submission = submissions.accept(session, made, NoDispatch())
    grader = FakeGrader()
    assert grading.grade(service, grader, submission.id, worker="w") == "recorded"
    assert grader.seen[0].files == (("hw.py", b"score=5"),)


def test_one_that_cannot_be_fetched_is_tried_again(
    service: Service, incoming: Callable[..., Incoming]
) -> None:
    service = answering(service, lambda request: httpx.Response(404))
    with service.database.transaction() as session:
        submission = submissions.accept(session, incoming(files=(file(),)), NoDispatch())
    grader = FakeGrader()
    assert grading.grade(service, grader, submission.id, worker="w") == "again"
    assert grader.seen == []


def test_other_bytes_than_were_promised_are_refused(service: Service) -> None:
    changed = answering(service, lambda request: httpx.Response(200, content=b"score=100"))
    with pytest.raises(FetchFailed, match="sha256"):
        fetch(changed, "campus", file())


def test_a_name_like_a_commits_is_no_way_around_that(service: Service) -> None:
    changed = answering(service, lambda request: httpx.Response(200, content=b"score=100"))
    named = msgspec.structs.replace(file(), name=f"{file().identity}.zip")
    with pytest.raises(FetchFailed, match="sha256"):
        fetch(changed, "campus", named)
    assert fetch(changed, "campus", msgspec.structs.replace(named, is_commit=True)) == b"score=100"


def test_too_many_bytes_are_not_read(service: Service) -> None:
    sent = 0

    def endless() -> object:
        nonlocal sent
        while True:
            sent += 1 << 20
            yield b"x" * (1 << 20)

    large = answering(service, lambda request: httpx.Response(200, content=endless()))  # type: ignore[arg-type]
    with pytest.raises(FetchFailed, match="more than"):
        fetch(large, "campus", file())
    assert sent < 20 << 20


def test_redirects_are_few_and_each_is_judged(service: Service) -> None:
    def around(request: httpx.Request) -> httpx.Response:
        return httpx.Response(302, headers={"location": str(request.url) + "x"})

    with pytest.raises(FetchFailed, match="redirects"):
        fetch(answering(service, around), "campus", file())
    inside = dataclasses.replace(service, client=addresses.client(()))
    with pytest.raises(FetchFailed, match="not public"):
        fetch(inside, "campus", file(url="http://127.0.0.1:1/hw.py"))
    for location in ("", "http://", "ftp://x/", "http://[", "//"):

        def away(request: httpx.Request, location: str = location) -> httpx.Response:
            return httpx.Response(302, headers={"location": location})

        with pytest.raises(FetchFailed):
            fetch(answering(service, away), "campus", file())


def test_the_token_goes_to_its_host_alone(service: Service) -> None:
    sources.add(
        service.database,
        "forge",
        kind="github",
        exercise=reference.DEFAULT,
        fetch_host="api.github.com",
        fetch_token="hunter2",
    )
    seen: list[tuple[str, str | None]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.url.host, request.headers.get("authorization")))
        if request.url.host == "api.github.com":
            return httpx.Response(302, headers={"location": "https://codeload.github.com/x"})
        return httpx.Response(200, content=b"zip")

    commit = "5" * 40
    archive = File(f"{commit}.zip", commit, url="https://api.github.com/repos/a/b/zipball/x")
    assert fetch(answering(service, answer), "forge", archive) == b"zip"
    assert seen == [("api.github.com", "Bearer hunter2"), ("codeload.github.com", None)]
    plain = File(f"{commit}.zip", commit, url="http://api.github.com/unencrypted")
    seen.clear()
    fetch(answering(service, answer), "forge", plain)
    assert seen[0] == ("api.github.com", None)
    seen.clear()
    fetch(answering(service, answer), "campus", archive)
    assert seen[0] == ("api.github.com", None)
