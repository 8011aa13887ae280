"""What a worker says of itself and of an exception: hostile text, decoded and bounded."""

import re
from typing import Annotated, Any, TypeVar

import msgspec

from grader.errors import (
    InvalidSubmission,
    MemoryLimitExceeded,
    ProtocolError,
    RunError,
    SubmissionError,
)
from grader.text import printable

_REFUSED = re.compile(r"(PermissionError|FileNotFoundError|OSError): \[Errno (1|2|13|30)\] ")
"""EPERM, ENOENT, EACCES, EROFS: how the layers of a wall say no."""
_WALL = (
    " While it is graded a program has no network and no other process, writes no file, and reads "
    "none but Python's and its libraries'."
)


class Hello(msgspec.Struct):
    confined_by: list[str]
    environment: dict[str, str]
    pid: int
    parent_pid: int


class Described(msgspec.Struct):
    """An exception, as the worker describes it."""

    type: str
    message: str
    line: Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)] | None = None


class Attempt(msgspec.Struct):
    """One attempt to break a promise: outcome is "refused" or "allowed"."""

    name: str
    promise: str
    outcome: str
    detail: str


class Returned(msgspec.Struct):
    returned: str
    dtype: str = ""
    shape: list[int] = []
    too_large: str | None = None


def verdict_over(error: Described, *, loading: bool) -> SubmissionError:
    """Turn a described exception into a verdict.

    Args:
        loading: whether nothing was called yet. Later a file has its function, whatever it says: an
            exception of its own that is called MissingFunction would pass for one that saw no case.
    """
    name, said = printable(error.type, limit=60), printable(error.message, limit=300)
    facts: dict[str, Any] = {"exception": name, "said": said, "line": error.line}
    if loading and name == "MissingFunction":
        return InvalidSubmission(f"{said[:1].upper()}{said[1:]}.", **facts)
    if name == "MemoryError" or "RESOURCE_EXHAUSTED" in said or "Out of memory" in said:
        return MemoryLimitExceeded(f"It used more memory than it may: {name}: {said}", **facts)
    if said == "can't start new thread":  # the kernel saw it sooner than we did
        return MemoryLimitExceeded("It started more threads than it may.", **facts)
    where = "" if error.line is None else f" on line {error.line}"
    told = f": {said.rstrip('.')}." if said else "."
    why = _WALL if _REFUSED.match(f"{name}: {said}") else ""
    return RunError(f"It raised {name}{where}{told}{why}", **facts)


_T = TypeVar("_T")


def decode(text: bytes, kind: type[_T]) -> _T:
    """Decode JSON.

    Raises:
        ProtocolError: it is none, or not of this kind.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"It described itself in a way that cannot be read: {error}") from None
