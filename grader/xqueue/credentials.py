"""Read how to log in from a file or the environment: other users can see a command line."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from grader.errors import UsageError

_VARIABLES = {
    "username": "GRADER_XQUEUE_USERNAME",
    "password": "GRADER_XQUEUE_PASSWORD",
    "basic_auth": "GRADER_XQUEUE_BASIC_AUTH",
}


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """How to log in.

    Attributes:
        basic: name and password for a proxy before the server; None for none.
    """

    username: str
    password: str
    basic: tuple[str, str] | None = None


def read(path: Path | None, environment: Mapping[str, str]) -> Credentials:
    """Read credentials from a TOML file; without one from the environment.

    Raises:
        UsageError: there are none; the text says where to put them, and shows nothing of a file.
    """
    if path is None:
        found = {key: environment.get(name) for key, name in _VARIABLES.items()}
        where = "GRADER_XQUEUE_USERNAME and GRADER_XQUEUE_PASSWORD, or --credentials FILE"
    else:
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from None
        except ValueError:
            raise UsageError(f"{path} is not TOML in UTF-8") from None
        where = f"username and password in {path}"
    username, password, basic = map(found.get, _VARIABLES)
    if not isinstance(username, str) or not isinstance(password, str):
        raise UsageError(f"no credentials; set {where}")
    name, colon, secret = str(basic or "").partition(":")
    if basic and not colon:
        raise UsageError("basic_auth has the form name:password")
    return Credentials(
        username=username, password=password, basic=(name, secret) if basic else None
    )
