"""Read the named wrong variants of a reference: each is the smallest edit of solution.py."""

import tomllib
from pathlib import Path

import msgspec

from grader.errors import InternalError


class Misconception(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One mistake that students make.

    Attributes:
        title: a few words.
        message: the sentence that helps the student.
        replace: pairs of texts; each old one stands in solution.py exactly once.
        equivalent: why no input can tell the variant from the reference; "" where one can.
    """

    title: str
    message: str
    replace: list[tuple[str, str]]
    equivalent: str = ""

    def apply(self, solution: str) -> str:
        """Return the text of the wrong variant.

        Raises:
            InternalError: a text to replace is not there, or not only once.
        """
        for old, new in self.replace:
            if solution.count(old) != 1:
                raise InternalError(f"{self.title}: {old!r} is there {solution.count(old)} times")
            solution = solution.replace(old, new)
        return solution


def read_misconceptions(folder: Path) -> dict[str, Misconception]:
    """Return every misconception of an exercise's folder, by id.

    Raises:
        InternalError: an id is used twice.
    """
    found: dict[str, Misconception] = {}
    for path in sorted((folder / "misconceptions").glob("*.toml")):
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        for name, table in tables.items():
            if name in found:
                raise InternalError(f"{path.name}: {name} is defined twice")
            found[name] = msgspec.convert(table, Misconception)
    return found
