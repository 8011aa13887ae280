"""Read the body of a submission.created delivery."""

import base64
import binascii
import hashlib
from datetime import UTC, datetime
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from grader.service.columns import EARLIEST, LATEST
from grader.service.submissions import NAME_BYTES, File, Incoming
from grader.service.tables import Source

_T = TypeVar("_T")

MOST_FILES = 20

Text = Annotated[
    str,
    # No control character: PostgreSQL stores no NUL. (?!\n): $ would let one newline pass.
    Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)"),
]
FileName = Annotated[
    str, Meta(min_length=1, max_length=100, pattern=r"^(?!\.)[^\x00-\x1f\x7f/\\]*$(?!\n)")
]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
Url = Annotated[str, Meta(max_length=2000, pattern=r"^https?://[!-~]+$(?!\n)")]
Moment = Annotated[datetime, Meta(tz=True)]


class BadDelivery(Exception):
    """The body is not what it has to be; the text says what is wrong. Status 400."""


class WrongContent(Exception):
    """The body is well-formed, but what it says cannot be: 422."""


class SentFile(msgspec.Struct, frozen=True):
    """One file: its content, or where to fetch it.

    Attributes:
        sha256: of the bytes; with a `url` it has to be there.
        encoding: how `content` stands for the bytes.
    """

    name: FileName
    content: str | None = None
    url: Url | None = None
    sha256: Sha256 | None = None
    encoding: Literal["utf-8", "base64"] = "utf-8"


class Data(msgspec.Struct, frozen=True):
    """The submission; `context` is the course."""

    exercise: Text
    user: Text
    context: Text
    files: Annotated[tuple[SentFile, ...], Meta(min_length=1, max_length=MOST_FILES)]
    attempt: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    submitted_at: Moment | None = None


class SubmissionCreated(msgspec.Struct, frozen=True):
    """The body of a delivery."""

    type: Literal["submission.created"]
    data: Data
    timestamp: Moment | None = None


def read(body: bytes, source: Source, arrived: datetime) -> Incoming:
    """Return the submission in a delivery.

    Raises:
        BadDelivery: it cannot be read.
        WrongContent: a checksum does not fit.
    """
    delivery = decoded(body, SubmissionCreated)
    data = delivery.data
    if len({file.name for file in data.files}) < len(data.files):
        raise BadDelivery("several files have the same name")
    return Incoming(
        source=source.name,
        course=data.context,
        user=data.user,
        exercise=data.exercise,
        files=tuple(_file(file) for file in data.files),
        submitted_at=_utc("submitted_at", data.submitted_at)
        or _utc("timestamp", delivery.timestamp)
        or arrived,
        attempt=data.attempt,
    )


def decoded(body: bytes, kind: type[_T]) -> _T:
    """Return JSON as a value of a type.

    Raises:
        BadDelivery: it is no JSON, or not of this form.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as error:
        raise BadDelivery(str(error) or "the body cannot be read") from None


def _file(sent: SentFile) -> File:
    if len(sent.name.encode()) > NAME_BYTES:
        raise BadDelivery(f"{sent.name}: the name of a file has at most {NAME_BYTES} bytes")
    if (sent.content is None) == (sent.url is None):
        raise BadDelivery(f"{sent.name}: a file has either content or a url")
    if sent.url is not None:
        if sent.sha256 is None:
            raise BadDelivery(f"{sent.name}: a file that is fetched needs its sha256")
        return File(sent.name, sent.sha256, url=sent.url)
    content = _content(sent)
    found = hashlib.sha256(content).hexdigest()
    if sent.sha256 not in (None, found):
        raise WrongContent(f"{sent.name}: its sha256 is {found}, not {sent.sha256}")
    return File(sent.name, found, content)


def _content(sent: SentFile) -> bytes:
    text = sent.content or ""
    try:
        if sent.encoding == "base64":
            return base64.b64decode(text, validate=True)
        return text.encode()
    except (binascii.Error, ValueError):
        raise BadDelivery(f"{sent.name}: its content is not {sent.encoding}") from None


def _utc(name: str, moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    if not EARLIEST <= moment < LATEST:  # Go and .NET write the year 1 for no moment
        raise BadDelivery(f"{name}: {moment.isoformat()} is not between the years 2000 and 2100")
    return moment.astimezone(UTC)
