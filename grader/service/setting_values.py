"""Read the text of one setting as a value; a ValueError says what it would have to be."""

import ipaddress
from typing import get_args
from urllib.parse import urlsplit, urlunsplit

from grader.model.report import Feedback

WORKERS = ("auto", "fork", "cold", "fresh")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Secret:
    """A text that no log, page or traceback shows: only `reveal` returns it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "Secret(...)" if self._text else "Secret()"


def whole(text: str) -> int:
    """Return a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise ValueError("it must be at least 1")
    return number


def port(text: str) -> int:
    """Return a port; 0 is one as well."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise ValueError("a port is 0 to 65535")
    return number


def seconds(text: str) -> float:
    """Return a positive number of seconds."""
    number = float(text)
    if not 0 < number < 1e6:
        raise ValueError("it must be a positive number of seconds")
    return number


def names(text: str) -> tuple[str, ...]:
    """Return what stands between commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def networks(text: str) -> tuple[Network, ...]:
    """Return the networks between commas."""
    return tuple(ipaddress.ip_network(part) for part in names(text))


def feedback(text: str) -> Feedback:
    """Return how much students see."""
    known: tuple[Feedback, ...] = get_args(Feedback)
    for level in known:
        if level == text:
            return level
    raise ValueError(f"there are: {', '.join(known)}")


def sandbox(text: str) -> str:
    """Return the name of a wall, or auto."""
    from grader.sandbox.choice import LAUNCHERS  # where one is chosen: it loads all of them

    known = ("auto", *LAUNCHERS)
    if text not in known:
        raise ValueError(f"there are: {', '.join(known)}")
    return text


def workers(text: str) -> str:
    """Return how workers start."""
    if text not in WORKERS:
        raise ValueError(f"there are: {', '.join(WORKERS)}")
    return text


def address(text: str) -> str:
    """Return our own address as a browser has it, without a slash at its end."""
    parts = urlsplit(text)
    known = parts.scheme in ("http", "https") and parts.netloc and "@" not in parts.netloc
    if not known or parts.query or parts.fragment:
        raise ValueError("it must be an address such as https://grader.example.org")
    # Cookies are Secure, and origins equal, by comparing texts.
    return urlunsplit(parts._replace(netloc=parts.netloc.lower())).rstrip("/")
