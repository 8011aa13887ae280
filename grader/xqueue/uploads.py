"""Fetch what a student uploaded, from allowed hosts only, and no more than can be a submission."""

import re
import time
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin

import httpx

from grader.apart import NotGraded
from grader.errors import InvalidSubmission, UsageError
from grader.text import printable

_SCHEMES = ("http", "https")
_HOST = re.compile(r"(([a-z0-9_-]+\.)*[a-z0-9_-]+|\[[0-9a-f:.]+\])(:[0-9]+)?")
MOST_FILES = 20
_MOST_S = 60.0


class Uploads:
    """A guard before the network.

    Args:
        server: URL that relative addresses are relative to; its host is allowed.
        hosts: further hosts, such as that of the course's file store: "host", "host:port" or
            "https://host".
        most_bytes: of one file; what is longer is cut one byte above, which intake refuses.

    Raises:
        UsageError: one of them is no host.
    """

    def __init__(
        self,
        server: str,
        hosts: Collection[str],
        most_bytes: int,
        *,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._server, self._most_bytes = server, most_bytes
        known = _named(server, _SCHEMES)
        self._schemes = ("https",) if known.scheme == "https" else _SCHEMES
        self._hosts = {_host(known), *(_host(_named(host, self._schemes)) for host in hosts)}
        # A client of its own: no cookie and no password of the queue goes with these requests.
        self._http = httpx.Client(timeout=20.0, follow_redirects=False, transport=transport)

    def fetch(self, files: dict[str, str], folder: Path) -> None:
        """Write each file into a folder, under a name that is safe there.

        Raises:
            InvalidSubmission: there are too many; nothing is fetched.
            NotGraded: one cannot be had; that is not the student's fault.
        """
        if len(files) > MOST_FILES:
            raise InvalidSubmission(
                f"{len(files)} files were uploaded, more than {MOST_FILES}; send only the code."
            )
        for number, (name, url) in enumerate(files.items()):
            path = folder / _safe(name, number)
            if path.exists():  # it is called as one before it had to be
                path = folder / f"{number}_{path.name}"
            path.write_bytes(self._read(url))

    def _read(self, address: str) -> bytes:
        """Return what lies at an address, relative ones being the server's."""
        try:
            url = httpx.URL(urljoin(self._server, address))
            self._refuse_others(url)
            with self._http.stream("GET", url, headers={"Accept-Encoding": "identity"}) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise NotGraded(f"{_host(url)} answers {answer.status_code} for a file")
                if "," in answer.headers.get("content-encoding", ""):
                    raise NotGraded("a file is packed more than once: 2 KB may be a gigabyte")
                return self._bounded(answer)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            what = f"{type(error).__name__}: {error}"
            raise NotGraded(printable(f"a file cannot be fetched: {what}")) from error

    def _refuse_others(self, url: httpx.URL) -> None:
        """The server's word alone must not make this machine call its own network."""
        allowed = url.scheme in self._schemes and _host(url) in self._hosts
        if not allowed or url.userinfo:
            shown = printable(f"{url.scheme}://{_host(url)}")
            raise NotGraded(f"files of {shown} are not allowed; see --file-host")

    def _bounded(self, answer: httpx.Response) -> bytes:
        started, data = time.monotonic(), bytearray()
        for piece in answer.iter_bytes():
            data += piece
            if len(data) > self._most_bytes:
                return bytes(data[: self._most_bytes + 1])
            if time.monotonic() - started > _MOST_S:
                raise NotGraded(f"a file takes more than {_MOST_S:g} s")
        return bytes(data)


def _named(given: str, schemes: Collection[str]) -> httpx.URL:
    """Return the address of a host that an operator named, as the client will read it."""
    scheme = "http" if given.endswith(":80") else "https"
    try:
        url = httpx.URL(given if "://" in given else f"{scheme}://{given}")
    except (httpx.InvalidURL, ValueError) as error:  # of an international name
        raise UsageError(f"{given!r} is no host: {error}") from None
    rest = url.userinfo or url.query or url.fragment or url.path.strip("/")
    if rest or not _HOST.fullmatch(_host(url)):
        raise UsageError(f"{given!r} is no host; name one as files.example.org, or host:port")
    if url.scheme not in schemes:
        raise UsageError(f"{given!r}: files are fetched by {' or '.join(schemes)} here")
    return url


def _host(url: httpx.URL) -> str:
    """Return host and port as the client will use them, in lower case."""
    return url.netloc.decode("ascii", "replace").lower()


def _safe(name: str, number: int) -> str:
    """Return a file name without folders, numbered where it is not the name as it came."""
    last = PurePosixPath(name.replace("\\", "/")).name
    plain = "".join(
        one if one.isascii() and (one.isalnum() or one in "._-") else "_" for one in last
    )
    plain = plain.lstrip(".")[-100:]
    return plain if plain and plain == name else f"{number}_{plain}"
