"""Read the variants of a reference, right ones and named wrong ones: each is edits of its text."""

import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from grader.errors import InternalError

Edits = Sequence[tuple[str, str]]
"""Pairs of texts; each old one stands in solution.py exactly once."""


class RightVariant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another way to write or run the same function: what it returns differs by rounding only.

    Attributes:
        title: a few words.
        replace: see Edits.
    """

    title: str
    replace: list[tuple[str, str]]


class Misconception(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One mistake that students make.

    Attributes:
        title: a few words.
        message: the sentence that helps the student.
        replace: see Edits.
        equivalent: why no input can tell the variant from the reference; "" where one can.
    """

    title: str
    message: str
    replace: list[tuple[str, str]]
    equivalent: str = ""


def edit(solution: str, edits: Edits, *, name: str) -> str:
    """Return the text of a variant.

    Raises:
        InternalError: a text to replace is not there, or not only once.
    """
    for old, new in edits:
        if solution.count(old) != 1:
            raise InternalError(f"{name}: {old!r} is there {solution.count(old)} times")
        solution = solution.replace(old, new)
    return solution


def read_misconceptions(folder: Path) -> dict[str, Misconception]:
    """Return every misconception of an exercise's folder, by id.

    Raises:
        InternalError: a file cannot be read, or an id is used twice.
    """
    return _read(sorted((folder / "misconceptions").glob("*.toml")), Misconception)


def read_right_variants(folder: Path) -> dict[str, RightVariant]:
    """Return every right variant of an exercise's folder, by id; right_variants.toml holds them.

    Raises:
        InternalError: the file cannot be read.
    """
    return _read(sorted(folder.glob("right_variants.toml")), RightVariant)


_T = TypeVar("_T")


def _read(paths: Sequence[Path], kind: type[_T]) -> dict[str, _T]:
    found: dict[str, _T] = {}
    for path in paths:
        for name, table in _tables(path):
            if name in found:
                raise InternalError(f"{path.name}: {name} is defined twice")
            try:
                found[name] = msgspec.convert(table, kind)
            except msgspec.ValidationError as error:
                raise InternalError(f"{path.name}: {name}: {error}") from error
    return found


def _tables(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        yield from tomllib.loads(path.read_text(encoding="utf-8-sig")).items()
    except (OSError, ValueError) as error:
        raise InternalError(f"{path.name}: {error}") from error
