"""Collect what is wrong with a result: the pieces of which validators are made."""

import json
import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

_MOST_DEPTH = 50
Fields = Mapping[str, Any]


class Problems(list[str]):
    """Sentences that each name one broken rule and where it is broken."""

    def text(self, fields: Fields, key: str, where: str = "", *, required: bool = False) -> None:
        """A string; what it holds was looked at when the document was read."""
        value = self._value(fields, key, where, required)
        if value is None:
            return
        if not isinstance(value, str):
            self.append(f"{where}{key} is {_kind(value)}; it must be a string")

    def number(
        self,
        fields: Fields,
        key: str,
        where: str = "",
        *,
        least: float = -math.inf,
        most: float = math.inf,
        required: bool = False,
    ) -> None:
        """A finite number within bounds; True and "1" are none."""
        value = self._value(fields, key, where, required)
        if value is None:
            return
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.append(f"{where}{key} is {_kind(value)}; it must be a number")
        elif not is_finite(value):
            self.append(f"{where}{key} is not finite, or too large for a float")
        elif not least <= value <= most:
            self.append(f"{where}{key} is {value}; it must be within {least:g} and {most:g}")

    def integer(self, fields: Fields, key: str, where: str = "", *, required: bool = False) -> None:
        """A whole number, 0 or more."""
        value = self._value(fields, key, where, required)
        if value is not None and (type(value) is not int or value < 0):
            self.append(f"{where}{key} must be a whole number, 0 or more")

    def boolean(self, fields: Fields, key: str, where: str = "", *, required: bool = False) -> None:
        """True or false."""
        value = self._value(fields, key, where, required)
        if value is not None and not isinstance(value, bool):
            self.append(f"{where}{key} is {_kind(value)}; it must be true or false")

    def one_of(
        self,
        fields: Fields,
        key: str,
        allowed: Collection[str],
        where: str = "",
        *,
        required: bool = False,
    ) -> None:
        """One of these words."""
        value = self._value(fields, key, where, required)
        if value is not None and (not isinstance(value, str) or value not in allowed):
            self.append(f"{where}{key} is {value!r}; it must be one of {', '.join(allowed)}")

    def objects(
        self, fields: Fields, key: str, where: str = "", *, required: bool = False
    ) -> list[tuple[str, Fields]]:
        """A list of objects; returns each that is one, with its name for messages."""
        value = self._value(fields, key, where, required)
        if value is None:
            return []
        if not isinstance(value, list):
            self.append(f"{where}{key} is {_kind(value)}; it must be a list")
            return []
        found: list[tuple[str, Fields]] = []
        for at, one in enumerate(value):
            if isinstance(one, dict):
                found.append((f"{where}{key}[{at}].", one))
            else:
                self.append(f"{where}{key}[{at}] is {_kind(one)}; it must be an object")
        return found

    def known(self, fields: Fields, allowed: Collection[str], where: str = "") -> None:
        """No other keys than these."""
        for key in fields:
            if key not in allowed:
                self.append(f"{where}{key} is no field of this format")

    def _value(self, fields: Fields, key: str, where: str, required: bool) -> Any:
        if key not in fields:
            if required:
                self.append(f"{where}{key} is missing")
            return None
        if fields[key] is None:
            self.append(f"{where}{key} is null")
        return fields[key]


def is_finite(value: float) -> bool:
    """Whether a number is one to readers that know floats alone: 10**400 is none to them."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def read_object(data: bytes, problems: Problems, *, most_bytes: int) -> Fields | None:
    """Read a JSON object as strictly as the strictest reader; None when there is none to check."""
    if len(data) > most_bytes:
        problems.append(f"it has {len(data)} bytes; at most {most_bytes} are read")
    try:
        text = data.decode("utf-8")
        found = json.loads(text, parse_constant=_refuse, object_pairs_hook=_once)
    except RecursionError:
        problems.append("it is nested too deeply")
        return None
    except ValueError as error:
        problems.append(f"it is not JSON in UTF-8: {error}")
        return None
    if not isinstance(found, dict):
        problems.append(f"it is {_kind(found)}; it must be a JSON object")
        return None
    try:
        if not all(map(_holdable, _strings(found))):
            problems.append("it holds NUL, or half of a surrogate pair")
        if _depth(found) > _MOST_DEPTH:
            problems.append("it is nested too deeply")
    except RecursionError:
        problems.append("it is nested too deeply")
        return None
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _holdable(text: str) -> bool:
    """Whether every database and every encoder takes a text."""
    return "\0" not in text and not any("\ud800" <= one <= "\udfff" for one in text)


def _strings(value: Any) -> Iterator[str]:
    """Yield every string and key in a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


def _kind(value: Any) -> str:
    names = {bool: "a boolean", str: "a string", dict: "an object", list: "a list"}
    return names.get(type(value), "null" if value is None else "a number")
