"""Serve style sheets, scripts and the icon, under names that hold their digest."""

import hashlib
from importlib import resources
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from markupsafe import Markup

from grader.report.html.frame import environment, style_of
from grader.service.access import Access

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_FOR_A_YEAR = "public, max-age=31536000, immutable"


class Statics:
    """The files, read once; other content has another name, so browsers keep each for good."""

    def __init__(self) -> None:
        folder = resources.files("grader.service.pages") / "static"
        found = {one.name: one.read_bytes() for one in folder.iterdir()}
        found["report.css"] = str(style_of(environment())["style"]).encode()
        kept = {name: data for name, data in found.items() if _kind(name) in _TYPES}
        self._names = {name: _named(name, data) for name, data in kept.items()}
        self._files = {
            self._names[name]: (data, _TYPES[_kind(name)]) for name, data in kept.items()
        }

    def path(self, name: str) -> Markup:
        """Return where a file is served.

        Raises:
            KeyError: there is no such file.
        """
        return Markup(f"/static/{self._names[name]}")

    def file(self, served_as: str) -> tuple[bytes, str] | None:
        """Return content and media type of a file by its name with digest."""
        return self._files.get(served_as)


@get(
    "/static/{name:str}",
    opt={"access": Access.PUBLIC},
    sync_to_thread=False,
    include_in_schema=False,
)
def static(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """Return a file, to be kept for a year."""
    statics: Statics = request.app.state.pages.statics
    found = statics.file(name)
    if found is None:
        raise NotFoundException("there is no such file")
    return Response(found[0], media_type=found[1], headers={"Cache-Control": _FOR_A_YEAR})


def _kind(name: str) -> str:
    return name.rpartition(".")[2]


def _named(name: str, data: bytes) -> str:
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.{hashlib.sha256(data).hexdigest()[:16]}.{suffix}"


HANDLERS = [static]
