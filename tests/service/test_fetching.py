"""A file that was sent as an address is fetched within bounds, and is what it was said to be."""

import dataclasses
import gzip
import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import httpx
import msgspec
import pytest
from sqlalchemy import select

import reference
from grader.errors import UsageError
from grader.service import addresses, fetching, grading, submissions
from grader.service.core import Service
from grader.service.dispatch import NoDispatch
from grader.service.fetching import FetchFailed, fetch
from grader.service.submissions import File, Incoming
from grader.service.tables import Grading, Result
from grader.service.webhooks import sources
from service.fakes import FakeGrader

Answer = Callable[[httpx.Request], httpx.Response]
URL = "https://uploads.example.org/hw.py"
COMMIT = "5" * 40
PAGE = b"<!DOCTYPE html>\n<title>Sign in</title>"


@pytest.fixture
def kind() -> str:
    return "sqlite"


def answering(service: Service, answer: Answer) -> Service:
    return dataclasses.replace(service, client=httpx.Client(transport=httpx.MockTransport(answer)))


def file(content: bytes = b"score=5", url: str = URL) -> File:
    return File("hw.py", hashlib.sha256(content).hexdigest(), url=url)


def zipped(*contents: bytes) -> bytes:
    with io.BytesIO() as opened:
        with zipfile.ZipFile(opened, "w") as archive:
            archive.comment = COMMIT.encode()  # as forges have it
            for number, content in enumerate(contents):
                archive.writestr(f"hw1-alice/{number}.py", content)
        return opened.getvalue()


def commit(url: str) -> File:
    return File(f"{COMMIT}.zip", COMMIT, url=url, is_commit=True)


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


def test_slow_files_do_not_keep_the_slot_from_others_for_long(
    service: Service, incoming: Callable[..., Incoming], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of 20 files may trickle for as long as a request may take, and so may each redirect."""
    passed_s, asked = [0.0], 0

    def slow(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        passed_s[0] += addresses.TOTAL_S
        asked += 1
        return httpx.Response(200, content=b"score=5")

    monkeypatch.setattr(fetching, "time", SimpleNamespace(monotonic=lambda: passed_s[0]))
    monkeypatch.setattr(grading, "time", SimpleNamespace(monotonic=lambda: passed_s[0]))
    service = answering(service, slow)
    files = tuple(msgspec.structs.replace(file(), name=f"{number}.py") for number in range(20))
    with service.database.transaction() as session:
        submission = submissions.accept(session, incoming(files=files), NoDispatch())
    assert grading.grade(service, FakeGrader(), submission.id, worker="w") == "again"
    assert asked <= 3
    with service.database.reading() as session:
        assert "take more than 180 s" in session.scalars(select(Grading)).one().problem


def test_other_bytes_than_were_promised_are_refused(service: Service) -> None:
    changed = answering(service, lambda request: httpx.Response(200, content=b"score=100"))
    with pytest.raises(FetchFailed, match="sha256"):
        fetch(changed, "campus", file())


def test_a_name_like_a_commits_is_no_way_around_that(service: Service) -> None:
    changed = answering(service, lambda request: httpx.Response(200, content=b"score=100"))
    named = msgspec.structs.replace(file(), name=f"{file().identity}.zip")
    with pytest.raises(FetchFailed, match="sha256"):
        fetch(changed, "campus", named)


@pytest.mark.parametrize("archive", [zipped(b"score=100"), zipped()], ids=["one file", "none"])
def test_a_commit_is_whatever_archive_the_forge_has_of_it(service: Service, archive: bytes) -> None:
    forge = answering(service, lambda request: httpx.Response(200, content=archive))
    assert fetch(forge, "campus", commit(URL)) == archive


def test_a_page_to_sign_in_is_no_students_archive(
    service: Service, incoming: Callable[..., Incoming]
) -> None:
    """As Gitea answers who may not read a repository."""

    def gitea(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/user/login":
            return httpx.Response(200, content=PAGE, headers={"content-type": "text/html"})
        return httpx.Response(303, headers={"location": "/user/login"})

    file = commit(f"https://git.example.org/course/hw1-alice/archive/{COMMIT}.zip")
    with service.database.transaction() as session:
        made = incoming(files=(file,))
        submission = submissions.accept(session, made, NoDispatch())
    grader = FakeGrader()
    locked = answering(service, gitea)
    assert grading.grade(locked, grader, submission.id, worker="w") == "again"
    assert grader.seen == []
    with service.database.reading() as session:
        assert (
            "does the forge take the fetch token?" in session.scalars(select(Grading)).one().problem
        )
        assert session.scalars(select(Result)).all() == []  # what came of it would be found again


def test_half_an_archive_is_none(service: Service) -> None:
    cut = zipped(b"score=100")[:-60]
    with pytest.raises(FetchFailed, match="no zip archive"):
        fetch(
            answering(service, lambda request: httpx.Response(200, content=cut)),
            "campus",
            commit(URL),
        )


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


def test_what_comes_packed_is_not_unpacked(service: Service) -> None:
    """Each coding within another makes a thousand of a byte, before any length is counted."""

    def packed() -> Iterator[bytes]:
        yield gzip.compress(gzip.compress(b"score=5"))

    coded = {"content-encoding": "gzip, gzip"}
    packing = answering(
        service, lambda request: httpx.Response(200, headers=coded, content=packed())
    )
    with pytest.raises(FetchFailed, match="packed"):
        fetch(packing, "campus", file())


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
    add_forge(service, "api.github.com")
    seen: list[tuple[str, str | None]] = []
    archive = zipped()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.url.host, request.headers.get("authorization")))
        if request.url.host == "api.github.com":
            return httpx.Response(302, headers={"location": "https://codeload.github.com/x"})
        return httpx.Response(200, content=archive)

    wanted = commit("https://api.github.com/repos/a/b/zipball/x")
    assert fetch(answering(service, answer), "forge", wanted) == archive
    assert seen == [("api.github.com", "Bearer hunter2"), ("codeload.github.com", None)]
    for source, url in (("forge", "http://api.github.com/unencrypted"), ("campus", wanted.url)):
        seen.clear()
        fetch(answering(service, answer), source, commit(url))
        assert seen[0] == ("api.github.com", None)


def add_forge(service: Service, host: str) -> None:
    sources.add(
        service.database,
        "forge",
        kind="gitea",
        exercise=reference.DEFAULT,
        fetch_host=host,
        fetch_token="hunter2",
    )


@pytest.mark.parametrize(
    ("host", "url", "is_meant"),
    [
        ("git.example.org", "https://git.example.org/x", True),
        ("git.example.org", "https://git.example.org:443/x", True),
        ("git.example.org", "https://GIT.example.org/x", True),
        ("git.example.org", "https://git.example.org:3000/x", False),
        ("git.example.org", "https://git.example.org.evil.example/x", False),
        ("git.example.org", "https://git.example.org@evil.example/x", False),
        ("git.example.org", "https://git.example.org\\@evil.example/x", False),
        ("git.example.org:3000", "https://git.example.org:3000/x", True),
        ("git.example.org:3000", "https://git.example.org/x", False),
        ("git.example.org:3000", "http://git.example.org:3000/x", False),
        ("Git.Example.ORG", "https://git.example.org/x", True),
        ("https://git.example.org:443/", "https://git.example.org/x", True),
        ("git.exämple.org", "https://git.xn--exmple-cua.org/x", True),
        ("[::1]:3000", "https://[::1]:3000/x", True),
    ],
)
def test_a_host_is_one_origin_however_it_is_written(
    service: Service, host: str, url: str, is_meant: bool
) -> None:
    add_forge(service, host)
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("authorization"))
        return httpx.Response(200, content=zipped())

    fetch(answering(service, answer), "forge", commit(url))
    assert (seen == ["Bearer hunter2"]) is is_meant


@pytest.mark.parametrize(
    "host",
    [
        *("http://git.example.org", "git.example.org/alice", "alice@git.example.org", ":3000"),
        *("https://", "a b", "git.example.org?x", "git.example.org#x", "git.example.org:x", "\n"),
    ],
)
def test_what_is_no_host_of_https_is_refused(service: Service, host: str) -> None:
    with pytest.raises(UsageError, match="speaks https"):
        add_forge(service, host)
