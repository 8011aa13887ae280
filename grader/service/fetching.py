"""Fetch a file that a delivery named by address, through the guard."""

import hashlib
import io
import math
import time
import zipfile
from urllib.parse import urljoin

import httpx

from grader.intake import IntakeLimits
from grader.service.addresses import AddressRefused
from grader.service.core import Service
from grader.service.packing import is_packed
from grader.service.submissions import File
from grader.service.tables import Source

_MOST_BYTES = IntakeLimits().archive_bytes
_MOST_REDIRECTS = 3
_SHA256_DIGITS = 64
FETCHING_S = 180.0
"""For all files of a submission, without the request under way: they keep the slot from others."""


class FetchFailed(Exception):
    """A file is not to be had; the text says why."""


def fetch(service: Service, source: str, file: File, *, end_s: float = math.inf) -> bytes:
    """Return a file's bytes; those of a commit are a zip archive.

    Every hop is checked anew; the source's token goes to the host that it is for, and to no other.

    Args:
        end_s: moment of the monotonic clock after which no request is begun.

    Raises:
        FetchFailed: it cannot be fetched, is too large, or is not what it was said to be.
    """
    with service.database.reading() as session:
        sender = session.get(Source, source)
    host, token = (sender.fetch_host, sender.fetch_token) if sender else ("", "")
    try:
        data = _follow(service.client, file.url, host, token, end_s)
    except (httpx.HTTPError, httpx.InvalidURL, AddressRefused, OSError, ValueError) as error:
        raise FetchFailed(f"{type(error).__name__}: {error}") from None
    _verify(file, data)
    return data


def secure_host(url: str) -> str:
    """Return the host of an https address, with its port where that is not 443; "" for any other.

    It is read as the client that connects reads it: a token's host is compared by this.

    Raises:
        InvalidURL: it is no address.
    """
    read = httpx.URL(url)
    return read.netloc.decode("ascii") if read.scheme == "https" else ""


def _verify(file: File, data: bytes) -> None:
    if file.is_commit:
        # A forge that takes no token, or another's, sends to its page to sign in: 200, and HTML.
        if not zipfile.is_zipfile(io.BytesIO(data)):
            raise FetchFailed("it is no zip archive; does the forge take the fetch token?")
    elif len(file.identity) == _SHA256_DIGITS:
        found = hashlib.sha256(data).hexdigest()
        if found != file.identity:
            raise FetchFailed(f"its sha256 is {found}")


def _follow(client: httpx.Client, url: str, host: str, token: str, end_s: float) -> bytes:
    for _ in range(_MOST_REDIRECTS + 1):
        if time.monotonic() > end_s:
            raise FetchFailed(f"the files of this submission take more than {FETCHING_S:.0f} s")
        headers = {}
        if token and secure_host(url) == host:
            headers = {"Authorization": f"Bearer {token}"}
        with client.stream("GET", url, headers=headers) as response:
            if response.is_redirect:
                url = urljoin(url, response.headers.get("location", ""))
                continue
            if not response.is_success:
                raise FetchFailed(f"the server answered {response.status_code}")
            if is_packed(response):
                raise FetchFailed("the server packed it, though it was asked for as it is")
            return _bounded(response)
    raise FetchFailed(f"more than {_MOST_REDIRECTS} redirects")


def _bounded(response: httpx.Response) -> bytes:
    chunks, total = [], 0
    for chunk in response.iter_bytes():
        total += len(chunk)
        if total > _MOST_BYTES:
            raise FetchFailed(f"it has more than {_MOST_BYTES} bytes")
        chunks.append(chunk)
    return b"".join(chunks)
