"""Lay an array of the submission beside the reference's."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from grader.report.html import pictures
from grader.report.html.numbers import Array, brief, described, shaped, written
from grader.report.html.planes import Plane, planes, scale

_MOST_ROWS = 64
_MOST_CHARTED = 16
_MISSING = "–"


class Row(NamedTuple):
    """One number of a result with one axis, as text; a dash for what is missing."""

    place: str
    expected: str
    yours: str
    difference: str
    marked: bool


class Comparison(NamedTuple):
    """Two arrays side by side; either may be missing.

    Attributes:
        planes: heat maps of arrays with two axes or more; limit: end of their colour scale.
        rows: numbers of arrays with fewer axes, and a chart of them where that helps.
        notes: sentences about what differs in kind, or is left out.
    """

    planes: list[Plane]
    limit: str
    rows: list[Row]
    chart: Markup | None
    notes: list[str]


def compare(
    name: str, expected: Array | None, actual: Array | None, marked: Sequence[int] | None = None
) -> Comparison:
    """Draw two arrays, or tabulate them where neither has more than one axis.

    Args:
        name: letters and digits, unique in the page.
        marked: index of the element that misses by most; used where the shapes are the same.
    """
    alike = _alike(expected, actual)
    arrays = {k: a for k, a in (("expected", expected), ("yours", actual)) if a is not None}
    deep, flat = _parted(arrays)
    if not alike or expected is None or len(marked or ()) != expected.ndim:
        marked = None
    limit = scale(list(deep.values())) if deep else 1.0
    if alike:
        group = deep or flat
        group["difference"] = _difference(group["expected"], group["yours"])
    drawn, notes = planes(name, deep, limit, marked)
    if len(arrays) == 2 and not alike:
        wanted, got = (shaped(array.shape) for array in arrays.values())
        notes.insert(0, f"The shapes differ: yours is {got}, expected is {wanted}.")
    rows = _rows(flat, marked[0] if marked else None)
    longest = max((array.size for array in flat.values()), default=0)
    if longest > len(rows):
        notes.append(f"The first {len(rows)} of {longest} numbers.")
    chart = _chart(name, flat) if "difference" in flat and 2 <= longest <= _MOST_CHARTED else None
    return Comparison(drawn, brief(limit) if drawn else "", rows, chart, notes)


def lone(name: str, values: Array) -> tuple[list[Plane], str, list[str]]:
    """Draw one array that stands beside nothing, such as an argument.

    Returns:
        Its planes, the end of their colour scale, sentences about what is left out.
    """
    limit = scale([values])
    table = values.reshape(1, -1) if values.ndim < 2 else values
    drawn, notes = planes(name, {"": table}, limit)
    return drawn, brief(limit), notes


def largest_difference(expected: Array | None, actual: Array | None) -> list[int] | None:
    """Return the index at which two arrays of one shape are furthest apart."""
    if expected is None or actual is None or not _alike(expected, actual) or not actual.size:
        return None
    apart = np.nan_to_num(np.abs(_difference(expected, actual)), nan=np.inf)
    return [int(place) for place in np.unravel_index(apart.argmax(), apart.shape)]


def _parted(arrays: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return what is drawn and what is tabulated; one line is drawn beside what has two axes."""
    if all(array.ndim < 2 for array in arrays.values()):
        return {}, {label: array.ravel() for label, array in arrays.items()}
    return {k: a if a.ndim >= 2 else a.reshape(1, -1) for k, a in arrays.items()}, {}


def _alike(expected: Array | None, actual: Array | None) -> bool:
    return expected is not None and actual is not None and expected.shape == actual.shape


def _difference(expected: Array, actual: Array) -> Array:
    with np.errstate(all="ignore"):  # inf - inf is the nan that is to be seen
        found: Array = actual - expected
    return found


def _rows(arrays: Mapping[str, Array], marked: int | None) -> list[Row]:
    longest = max((array.size for array in arrays.values()), default=0)
    columns = [arrays.get(label) for label in ("expected", "yours", "difference")]
    rows = []
    for at in range(min(longest, _MOST_ROWS)):
        expected, yours, difference = (_cell(column, at) for column in columns)
        rows.append(Row(str(at), expected, yours, difference, marked == at))
    return rows


def _cell(array: Array | None, at: int) -> str:
    return _MISSING if array is None or at >= array.size else written(array[at])


def _chart(name: str, arrays: Mapping[str, Array]) -> Markup:
    expected, actual = arrays["expected"], arrays["yours"]
    alt = (
        f"{expected.size} numbers side by side: expected {described(expected)}; "
        f"yours {described(actual)}. The table has each."
    )
    return pictures.chart(expected, actual, name=f"{name}-chart", alt=alt)
