"""Cut arrays into planes of height and width, and draw each as a heat map."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from grader.report.html import pictures
from grader.report.html.numbers import Array, brief, described, shaped

_MOST_PLANES = 16
_MOST_CELLS = 4096
"""Of one plane: the most numbers of an answer that a report holds."""
_MOST_CELLS_IN_ALL = 8192
"""Of one array: a cell takes about 130 bytes of the page."""


class Panel(NamedTuple):
    """One heat map and the word that stands above it."""

    label: str
    picture: Markup


class Plane(NamedTuple):
    """The heat maps of one channel; the title is "" where there is only one."""

    title: str
    panels: list[Panel]


class _Slice(NamedTuple):
    title: str
    values: Array
    marked: tuple[int, int] | None


def scale(arrays: Sequence[Array]) -> float:
    """Return the end of one colour scale for all, above 0.

    It is the largest number of any, but no more than 4 times that of the first, so that one wild
    number of a wrong answer does not turn all others grey.
    """
    largest = [float(np.abs(a[np.isfinite(a)]).max(initial=0)) for a in arrays]
    return min(max(largest), 4 * largest[0] or np.inf) or 1.0


def planes(
    name: str, arrays: Mapping[str, Array], limit: float, marked: Sequence[int] | None = None
) -> tuple[list[Plane], list[str]]:
    """Draw arrays of two axes or more.

    Args:
        name: letters and digits, unique in the page.
        arrays: label to array, whose axes end in (height, width, channels) or are (height, width).
        limit: end of the colour scale.
        marked: index of an element to be framed; only where all have the same shape.

    Returns:
        The planes, those of one channel together; sentences about what is left out.
    """
    groups: dict[str, list[Panel]] = {}
    notes: dict[str, None] = {}
    for label, array in arrays.items():
        height, width = array.shape[-3:-1] if array.ndim > 2 else array.shape
        if not 0 < height * width <= _MOST_CELLS:
            notes[f"Shape {shaped(array.shape)} is not drawn."] = None
            continue
        in_all = array.size // (height * width)
        drawn = min(in_all, _MOST_PLANES, max(1, _MOST_CELLS_IN_ALL // (height * width)))
        if drawn < in_all:
            notes[f"The first {drawn} of {in_all} planes."] = None
        for at, part in enumerate(islice(_slices(array, marked), drawn)):
            picture = _draw(part, limit, f"{name}-{label}-{at}", label)
            groups.setdefault(part.title, []).append(Panel(label, picture))
    return [Plane(title, panels) for title, panels in groups.items()], list(notes)


def _draw(part: _Slice, limit: float, name: str, label: str) -> Markup:
    rows, columns = part.values.shape
    said = [word for word in (label, part.title) if word]
    alt = f"{', '.join(said)}: {rows} by {columns}, {described(part.values)}"
    if part.marked is not None:
        alt += f"; framed: row {part.marked[0]}, column {part.marked[1]}"
    if part.values.size <= pictures.MOST_WRITTEN:
        lines = [" ".join(brief(value) for value in row) for row in part.values.tolist()]
        alt += f". Rows: {'; '.join(lines)}"
    return pictures.heat_map(part.values, limit=limit, name=name, alt=alt, marked=part.marked)


def _slices(array: Array, marked: Sequence[int] | None) -> Iterator[_Slice]:
    if array.ndim == 2:
        yield _Slice("", array, None if marked is None else (marked[0], marked[1]))
        return
    for *before, channel in np.ndindex(*array.shape[:-3], array.shape[-1]):
        place = (*before, slice(None), slice(None), channel)
        is_here = marked is not None and [*marked[:-3], marked[-1]] == [*before, channel]
        frame = (marked[-3], marked[-2]) if marked is not None and is_here else None
        only = array.ndim == 3 and array.shape[-1] == 1
        title = f"[{', '.join(map(str, before))}, :, :, {channel}]" if before else ""
        yield _Slice("" if only else title or f"channel {channel}", array[place], frame)
