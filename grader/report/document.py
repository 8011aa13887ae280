"""Write a report as JSON and read it back."""

import json
from typing import Any

import msgspec

from grader.errors import UsageError
from grader.model import Report


def to_json(report: Report) -> bytes:
    """Return the report as indented UTF-8 JSON."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def from_json(data: bytes) -> Report:
    """Read a report back.

    Raises:
        UsageError: the data is not a report of this version.
    """
    try:
        return msgspec.json.decode(data, type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"this is not a report of ours: {error}") from error


def schema() -> str:
    """Return the JSON Schema of the report."""
    return json.dumps(msgspec.json.schema(Report), indent=2)


def differences(before: Report, after: Report) -> list[str]:
    """Name every part that differs between two gradings.

    What they cost is not compared, nor whether their workers were forked: the wall is the same.
    """
    old, new = (_comparable(report) for report in (before, after))
    return sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))


_HOW_STARTED = "forked from "


def _comparable(report: Report) -> dict[str, Any]:
    parts: dict[str, Any] = msgspec.to_builtins(report)
    del parts["usage"]
    layers = parts["confined_by"]
    parts["confined_by"] = [layer for layer in layers if not layer.startswith(_HOW_STARTED)]
    return parts
