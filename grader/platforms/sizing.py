"""Keep a result within the bytes that its platform reads."""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from grader.model import Finding, Report


class Room(NamedTuple):
    """How much is said.

    Attributes:
        text: most characters of the summary; message: of one finding; findings: most of them.
    """

    text: int
    message: int
    findings: int


_ROOMS = (
    Room(20_000, 2_000, 200),
    Room(4_000, 500, 200),
    Room(2_000, 100, 100),
    Room(500, 0, 20),
    Room(200, 0, 0),
)


def fitted(make: Callable[[Room], bytes], most_bytes: int) -> bytes:
    """Return the fullest result that fits; the last room of all fits every platform."""
    for room in _ROOMS:
        made = make(room)
        if len(made) <= most_bytes:
            break
    return made


def first(report: "Report", room: Room) -> "Sequence[Finding]":
    """Return the findings that there is room for."""
    return report.findings[: room.findings]


def to_json(document: Any) -> bytes:
    """Return JSON as every reader takes it: ASCII, finite numbers, a newline at the end."""
    return json.dumps(document, allow_nan=False, indent=1).encode("ascii") + b"\n"
