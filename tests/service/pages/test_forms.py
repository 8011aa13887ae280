"""Whatever is posted is read within bounds, or refused: never an error of ours."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient
from processes import PATIENCE_S

from grader.service.pages import forms
from grader.service.pages.forms import MOST_BYTES, UPLOADS_EACH, Form, Upload, parse
from service.pages.conftest import Person, Place

BOUNDARY = "multipart/form-data; boundary=b"


def part(head: str, body: bytes) -> bytes:
    return f"--b\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + body + b"\r\n"


def test_fields_and_files_are_told_apart() -> None:
    body = part('name="csrf"', b"t") + part('name="code"', "x = 'é'\r\n".encode())
    body += part('name="file"; filename="../a b.py"', b"\x00\xff") + b"--b--\r\n"
    assert parse(BOUNDARY, body) == Form(
        {"csrf": "t", "code": "x = 'é'\r\n"}, {"file": Upload("../a b.py", b"\x00\xff")}
    )


def test_a_file_input_that_was_left_empty_is_no_file() -> None:
    body = part('name="file"; filename=""', b"") + b"--b--\r\n"
    assert parse(BOUNDARY, body).files == {}


def test_an_encoded_form_is_read_and_anything_else_is_empty() -> None:
    kind = "application/x-www-form-urlencoded; charset=utf-8"
    assert parse(kind, b"a=1&a=2&b=%C3%A9") == Form({"a": "2", "b": "é"})
    assert parse("application/json", b'{"csrf": "x"}') == Form()


KINDS = [
    *(BOUNDARY, "multipart/form-data", "multipart/form-data; boundary=", "x/y", "", ";;="),
    *("application/x-www-form-urlencoded", 'multipart/form-data; boundary="\u00e9"'),
]


@given(st.binary(max_size=300), st.sampled_from(KINDS))
def test_whatever_comes_is_a_form_or_a_value_error(body: bytes, kind: str) -> None:
    for data in (body, b"--b\r\n" + body, part('name="x"', body) + b"--b--"):
        with contextlib.suppress(ValueError):
            assert isinstance(parse(kind, data), Form)


@pytest.fixture
def kind() -> str:
    return "sqlite"


def test_what_is_too_long_is_refused_however_it_is_announced(
    client: TestClient[Any], place: Place
) -> None:
    eve = place.launched("eve", "staff", deep_linking="{}")
    url, long = f"/choices/{eve.key}", b"csrf=" + b"x" * MOST_BYTES
    headers = eve.headers | {"content-type": "application/x-www-form-urlencoded"}
    assert client.post(url, content=long, headers=headers).status_code == 413
    chunked = client.post(url, content=iter([long, long]), headers=headers)
    assert chunked.status_code == 413 and "That is too much" in chunked.text
    broken = client.post(url, content=b"--x", headers=eve.headers | {"content-type": BOUNDARY})
    assert broken.status_code == 400 and "could not be read" in broken.text


def test_slow_uploads_of_one_take_neither_the_memory_nor_the_room_of_others(
    app: Litestar, place: Place
) -> None:
    """Each may hold 8 MiB for as long as it takes to come, and a script begins hundreds."""
    go, alice, mallory = asyncio.Event(), place.launched("alice"), place.launched("mallory")
    url = f"/links/{place.link_id}/submissions"

    async def slow(person: Person) -> AsyncIterator[bytes]:
        yield part('name="csrf"', person.csrf.encode())
        await go.wait()
        yield part('name="file"; filename="hw.py"', b"x = 1") + b"--b--\r\n"

    async def main() -> None:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://testserver.local"
        ) as browser:

            def post(person: Person) -> asyncio.Task[httpx.Response]:
                headers = {"content-type": BOUNDARY, **person.headers}
                return asyncio.create_task(browser.post(url, content=slow(person), headers=headers))

            flood = [post(mallory) for _ in range(30)]
            async with asyncio.timeout(PATIENCE_S):
                while sum(one.done() for one in flood) < 30 - UPLOADS_EACH:
                    await asyncio.sleep(0.05)
            assert {one.result().status_code for one in flood if one.done()} == {503}
            hers = post(alice)
            go.set()
            assert (await hers).status_code == 303
            taken = [(await one).status_code for one in flood]
            assert taken.count(303) == UPLOADS_EACH

    asyncio.run(main())


def test_what_does_not_end_is_not_waited_for(
    app: Litestar, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "_UPLOAD_S", 0.2)
    alice = place.launched("alice")

    async def endless() -> AsyncIterator[bytes]:
        yield b"csrf="
        await asyncio.Event().wait()

    async def main() -> httpx.Response:
        headers = {"content-type": "application/x-www-form-urlencoded", **alice.headers}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://testserver.local"
        ) as browser:
            url = f"/links/{place.link_id}/submissions"
            return await browser.post(url, content=endless(), headers=headers)

    answer = asyncio.run(main())
    assert answer.status_code == 408 and "took too long" in answer.text
