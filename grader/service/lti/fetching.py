"""Ask platforms over HTTP: bounded in time and size, no redirects, JSON whatever it is called."""

import asyncio
import json
from typing import Any

import httpx

from grader.service.lti.refusals import LaunchRefused
from grader.service.packing import is_packed

MOST_BYTES = 1024 * 1024
WHOLE_S = 60.0
"""How long a request may take in all, however slowly bytes trickle."""
TEXT = 500
"""How much of a platform's own words is kept."""
_DECODED = ("content-encoding", "content-length")
_PACKED = b"(packed, though it was asked for as it is)"
"""Stands for what is not read: of a score that was posted the status says enough."""


class Unanswered(Exception):
    """A platform did not give a usable answer.

    Attributes:
        status: what it answered; None when it did not.
        text: why, in its words or ours.
        reached: whether the request may have got there.
    """

    def __init__(self, text: str, *, status: int | None = None, reached: bool = True) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.reached = reached


async def exchange(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    most_bytes: int = MOST_BYTES,
    **options: Any,
) -> httpx.Response:
    """Send a request and read the answer, no more of it than most_bytes, and nothing packed.

    Raises:
        Unanswered: there was no whole answer; `reached` is False when none of it was sent.
    """
    try:
        _check(httpx.URL(url))
        async with asyncio.timeout(WHOLE_S):
            return await _whole(client, method, url, most_bytes, options)
    except TimeoutError as error:
        raise Unanswered(f"no whole answer within {WHOLE_S:.0f} s") from error
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise Unanswered(_words(error), reached=False) from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
        raise Unanswered(f"unusable address: {_words(error)}", reached=False) from error
    except httpx.HTTPError as error:
        raise Unanswered(_words(error)) from error


def _check(url: httpx.URL) -> None:
    if url.scheme not in ("http", "https") or not url.host:
        raise Unanswered(f"unusable address: {str(url)[:TEXT]!r}", reached=False)


async def _whole(
    client: httpx.AsyncClient, method: str, url: str, most_bytes: int, options: dict[str, Any]
) -> httpx.Response:
    async with client.stream(method, url, follow_redirects=False, **options) as response:
        body = _PACKED if is_packed(response) else await _body(response, most_bytes)
        headers = [h for h in response.headers.multi_items() if h[0] not in _DECODED]
        return httpx.Response(
            response.status_code, headers=headers, content=body, request=response.request
        )


async def _body(response: httpx.Response, most_bytes: int) -> bytes:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > most_bytes:
            text = f"the answer is longer than {most_bytes >> 20} MiB"
            raise Unanswered(text, status=response.status_code)
    return bytes(body)


def json_of(response: httpx.Response) -> Any:
    """Return the JSON of an answer, whatever content type it claims: Moodle says text/html.

    Raises:
        Unanswered: it is none.
    """
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        raise Unanswered(f"no JSON: {words_of(response)}", status=response.status_code) from None


def words_of(response: httpx.Response) -> str:
    """Return the platform's own words, short and printable."""
    text = response.content[: 4 * TEXT].decode("utf-8", "replace")
    kept = "".join(letter if letter.isprintable() else " " for letter in text)
    return f"HTTP {response.status_code} {' '.join(kept.split())[:TEXT]}".strip()


async def get_json(client: httpx.AsyncClient, url: str) -> Any:
    """Fetch a JSON document.

    Raises:
        Unanswered: it cannot be had.
    """
    response = await exchange(client, "GET", url, headers={"Accept": "application/json"})
    if response.status_code != 200:
        raise Unanswered(words_of(response), status=response.status_code)
    return json_of(response)


async def platform_keys(client: httpx.AsyncClient, url: str) -> Any:
    """Fetch a platform's JWK set.

    Raises:
        LaunchRefused: it cannot be had now.
    """
    try:
        return await get_json(client, url)
    except Unanswered as problem:
        raise LaunchRefused("keys_unreachable", f"{url}: {problem.text}") from problem


def _words(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()[:TEXT]
