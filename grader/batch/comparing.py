"""Compare the sources of a class with each other, through the copies beside the staff's reports."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from grader.batch.class_page import Alike, Link
from grader.batch.entry import Row
from grader.batch.likeness import Sketch, near_identical, sketch
from grader.batch.reports import STAFF
from grader.batch.skeleton import skeleton

MOST_SHOWN = 100
_MOST_NAMED = 8
_KEPT_SKELETONS = 512


class _Source:
    """One source, and everybody who sent it."""

    def __init__(self) -> None:
        self.rows: list[Link] = []
        self.count = 0

    def add(self, row: Row) -> None:
        """Name one more sender; of very many only the first are named."""
        self.count += 1
        if len(self.rows) < _MOST_NAMED:
            self.rows.append(Link(row.who, row.report))


def compare_all(folder: Path, rows: Iterable[Row]) -> list[Alike]:
    """Return the submissions that are near-identical: the same files first, then the most alike.

    Args:
        folder: of the batch.
        rows: in the order in which they are to be named.
    """
    sources: dict[str, _Source] = {}
    for row in rows:
        if row.sha256 and row.is_graded:
            sources.setdefault(row.sha256, _Source()).add(row)
    identical = [
        Alike(1.0, one.rows, identical=True, more=one.count - len(one.rows))
        for one in sources.values()
        if one.count > 1
    ]
    identical.sort(key=lambda one: -(len(one.rows) + one.more))
    return (identical + _alike(folder, [one.rows[0] for one in sources.values()]))[:MOST_SHOWN]


def _alike(folder: Path, rows: list[Link]) -> list[Alike]:
    """Compare different sources by their skeletons."""

    @lru_cache(_KEPT_SKELETONS)
    def skeleton_of(number: int) -> str:
        try:
            return skeleton((folder / STAFF / f"{rows[number].report}.py").read_bytes())
        except (OSError, SyntaxError, ValueError):  # it was moved, or changed by hand
            return ""

    numbers: list[int] = []
    sketches: list[Sketch] = []
    for number in range(len(rows)):
        made = sketch(skeleton_of(number))
        if made is not None:
            numbers.append(number)
            sketches.append(made)
    pairs = near_identical(sketches, lambda at: skeleton_of(numbers[at]))
    return [
        Alike(pair.likeness, [rows[numbers[pair.one]], rows[numbers[pair.other]]])
        for pair in pairs[:MOST_SHOWN]
    ]
