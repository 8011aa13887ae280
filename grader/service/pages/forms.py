"""Read what is posted: bounded before anything is parsed, hostile in every part."""

import asyncio
import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.exceptions import ClientException, HTTPException
from multipart import (  # type: ignore[import-untyped]
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from grader.service.capacity import Capacity

MOST_BYTES = 64 * 1024
"""Of a form that carries no file; a route with files says `most_bytes` in its opt.

That goes for multipart alone: 8 MiB of %41 took 4 s to decode, in which nothing else is answered.
"""
UPLOADS_BYTES, UPLOADS_EACH = 160 * 1024 * 1024, 3
"""Of forms above MOST_BYTES that one process reads at once, as long as they say they are, and how
many of one user: each is in memory two or three times, and comes as slowly as its sender likes."""
_UPLOAD_S = 120
_MOST_PARTS = 20
_WITH_FILES = "multipart/form-data"


class TooLong(HTTPException):
    """More was posted than the route takes."""

    status_code = 413


class TooSlow(HTTPException):
    """What was posted did not arrive in time."""

    status_code = 408


class TooMany(HTTPException):
    """Too much is being posted at once, by all or by one."""

    status_code = 503


@dataclass(frozen=True)
class Upload:
    """A file as it was posted; `name` is whatever the browser said."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Form:
    """What was posted: of two fields of one name the last."""

    fields: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Upload] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return a field, "" where there is none."""
        return self.fields.get(name, "")


async def read_form(connection: ASGIConnection[Any, Any, Any, Any], most_bytes: int) -> Form:
    """Read the body of a request, once; later calls return the same.

    Raises:
        TooLong: it is longer than that; TooSlow: it does not end; TooMany: others are read.
        ClientException: it cannot be read.
    """
    if not isinstance(connection, Request):
        return Form()
    if not hasattr(connection.state, "form"):
        content_type = connection.headers.get("content-type", "")
        has_files = parse_options_header(content_type)[0] == _WITH_FILES
        body = await _in_turn(connection, most_bytes if has_files else MOST_BYTES)
        try:
            connection.state.form = parse(content_type, body)
        except ValueError as error:  # MultipartError is one
            raise ClientException("the form cannot be read") from error
    return form_of(connection)


def form_of(request: Request[Any, Any, Any]) -> Form:
    """Return the form that the guard has read."""
    form: Form = request.state.form
    return form


def parse(content_type: str, body: bytes) -> Form:
    """Return a form.

    Raises:
        ValueError: it is none.
    """
    kind, options = parse_options_header(content_type)
    if kind == _WITH_FILES:
        return _multipart(options.get("boundary", ""), body)
    if kind == "application/x-www-form-urlencoded":
        text = body.decode("ascii", "replace")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_PARTS)
        return Form(fields=dict(pairs))
    return Form()


def _multipart(boundary: str, body: bytes) -> Form:
    fields: dict[str, str] = {}
    files: dict[str, Upload] = {}
    segment: MultipartSegment | None = None
    content = bytearray()
    with PushMultipartParser(boundary.encode(), max_segment_count=_MOST_PARTS) as parser:
        for piece in parser.parse(body):
            if isinstance(piece, MultipartSegment):
                segment, content = piece, bytearray()
            elif piece:
                content += piece
            elif segment is not None:  # the end of a part
                if segment.filename is None:
                    fields[segment.name] = codecs.decode(content, "utf-8", "replace")
                elif segment.filename or content:  # a file input that was left empty has neither
                    files[segment.name] = Upload(segment.filename, bytes(content))
    return Form(fields, files)


async def _in_turn(request: Request[Any, Any, Any], most_bytes: int) -> bytes:
    """Read the body, a large one only while there is room for it."""
    announced = request.headers.get("content-length", "")
    length = int(announced[:20]) if announced.isdecimal() else most_bytes
    if length <= MOST_BYTES:
        return await _timely(request, MOST_BYTES)
    uploads: Capacity = request.app.state.uploads
    visit = request.state.visit
    with uploads.room((visit.source, visit.user), min(length, most_bytes)) as has_room:
        if not has_room:
            raise TooMany("too much is being handed in at once")
        return await _timely(request, most_bytes)


async def _timely(request: Request[Any, Any, Any], most_bytes: int) -> bytes:
    try:
        async with asyncio.timeout(_UPLOAD_S):
            return await _bounded(request, most_bytes)
    except TimeoutError:
        raise TooSlow("this took too long to arrive") from None


async def _bounded(request: Request[Any, Any, Any], most_bytes: int) -> bytes:
    """Read the body, but no more than this; an announced length only ever ends it sooner."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > most_bytes:
        raise TooLong("this is too long")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most_bytes:
            raise TooLong("this is too long")
    return bytes(body)
