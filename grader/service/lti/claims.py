"""Read values out of JSON that somebody else wrote, whatever is in it."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

_MOST = 500
"""Longest id that is kept; the documents allow 255."""
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?(?=[/?#]|$)")
"""What may stand in a Content-Security-Policy."""


def origin(url: str) -> str:
    """Return scheme, host and port of an address; "" where they are not plain."""
    match = _ORIGIN.match(url.lower())
    return match[0] if match else ""


def is_storable(text: str) -> bool:
    """Whether a database takes a text: PostgreSQL stores no NUL, and none a lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def host_of(url: str) -> str:
    """Return the host of an address of http or https, however it is spelled; "" for all else."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return parts.hostname or "" if parts.scheme in ("http", "https") else ""


def object_of(claims: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object, an empty one for anything else."""
    value = claims.get(name)
    return value if isinstance(value, dict) else {}


def text_of(claims: Mapping[str, Any], name: str) -> str:
    """Return a text, "" for anything else; numbers as text: some platforms send ids as such."""
    value = claims.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > _MOST or "\0" in value:
        return ""
    return value.encode("utf-8", "replace").decode()  # a lone surrogate fits no database


def address_of(claims: Mapping[str, Any], name: str) -> str:
    """Return an address of http or https, "" for anything else."""
    value = claims.get(name)
    if not isinstance(value, str) or len(value) > 2000 or not value.isascii():
        return ""
    return value if value.startswith(("https://", "http://")) else ""


def number_of(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a number that a date can be, None for anything else."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        return None
    return float(value)


def shown(value: object) -> str:
    """Return a value in a few characters, for the log."""
    return repr(value)[:100]
