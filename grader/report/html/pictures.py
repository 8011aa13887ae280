"""Draw arrays: a heat map of two axes, a chart of one."""

from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from grader.report.html import svg
from grader.report.html.numbers import Array, brief

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.lines import Line2D
    from matplotlib.text import Text
    from matplotlib.transforms import Transform

LOW, MIDDLE, HIGH = "#1f5fa8", "#f7f5f0", "#c2560c"
"""Colours of a heat map; blue and orange stay apart for the colour-blind."""

_NOT_FINITE = "#7c7c7c"
EXPECTED, YOURS = "#3d86cf", "#cf6a1e"
"""Colours of marks on the page itself: at least 3 to 1 on its light and its dark ground."""

MOST_WRITTEN = 36
"""Numbers of a heat map up to which each is written into its cell."""

_MOST_WRITTEN_ACROSS = 8
_CELL_WITH_NUMBER_PX = 42
_CELL_PX = 24
_SIDE_PX = 208
_LARGEST = float(np.finfo(np.float32).max)
"""Charted at most: Matplotlib refuses axes whose length is no float64."""


def heat_map(
    values: Array, *, limit: float, name: str, alt: str, marked: tuple[int, int] | None = None
) -> Markup:
    """Draw the numbers of two axes.

    Args:
        values: float64[rows, columns], at least one of each.
        limit: above 0; the colours go from -limit to limit, and stay as they are beyond.
        marked: a cell to be framed.
    """
    rows, columns = values.shape
    is_written = values.size <= MOST_WRITTEN and columns <= _MOST_WRITTEN_ACROSS
    small = min(_CELL_PX, max(1.0, _SIDE_PX / max(rows, columns)))
    cell = _CELL_WITH_NUMBER_PX if is_written else small
    figure = svg.blank(columns * cell + 2, rows * cell + 2)
    on = _grid(cell, rows)
    colours = _coloured(values, limit)
    figure.add_artist(_mesh(colours, on, cell), clip=False)
    for (row, column), value in np.ndenumerate(values):
        if is_written:
            place = (column + 0.5, row + 0.53)
            figure.add_artist(_written(place, float(value), colours[row, column], on))
        elif not np.isfinite(value):
            ends = [column, column + 1], [row, row + 1]
            figure.add_artist(_line(*ends, on, color="#ffffff", linewidth=1), clip=False)
    if marked is not None:
        for line in _frame(*marked, on):
            figure.add_artist(line, clip=False)
    return svg.inline(figure, name=name, alt=alt)


def chart(expected: Array, actual: Array, *, name: str, alt: str) -> Markup:
    """Draw one axis: expected a disc, yours a diamond, a line between the two.

    Args:
        expected, actual: float64[n] each; what is beyond float32 is left out, nan as well.
    """
    expected, actual = (np.where(np.abs(a) <= _LARGEST, a, np.nan) for a in (expected, actual))
    shown = np.concatenate([expected, actual, [0.0]])
    low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
    room = (high - low or 1.0) * 0.12
    width, height = 64 + 36 * len(expected), 170
    figure = svg.blank(width, height)
    axes = figure.add_axes((56 / width, 26 / height, 1 - 60 / width, 1 - 32 / height))
    axes.set_xlim(-0.6, len(expected) - 0.4)
    axes.set_ylim(low - room, high + room)
    quiet(axes)
    axes.set_xticks(range(len(expected)))
    ticks = [0.0, *(end for end in (low, high) if abs(end) > room)]  # labels must not meet
    axes.set_yticks(ticks, [brief(tick) for tick in ticks])
    axes.axhline(0, color=svg.INK, linewidth=0.8, alpha=0.5)
    places = np.arange(len(expected))
    axes.vlines(places, expected, actual, color=svg.INK, linewidth=1, alpha=0.6)
    axes.plot(places, expected, "o", color=EXPECTED, markersize=9)
    axes.plot(places, actual, "D", color=YOURS, markersize=6)
    return svg.inline(figure, name=name, alt=alt)


def quiet(axes: "Axes") -> None:
    """Take away what a small picture does not need, and write the rest in the page's colour."""
    axes.patch.set_visible(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=12, labelcolor=svg.INK, which="both")


def _grid(cell: float, rows: int) -> "Transform":
    """Return how cells, counted from the top left corner, become points of the figure.

    Axes would do the same, and take four fifths of the time: a page has dozens of these pictures.
    """
    from matplotlib.transforms import Affine2D

    return Affine2D().scale(cell, -cell).translate(1, rows * cell + 1)


def _mesh(colours: Array, on: "Transform", cell: float) -> "QuadMesh":
    from matplotlib.collections import QuadMesh

    edges: dict[str, Any] = {"edgecolors": "#ffffff", "linewidth": 0.75}
    if cell < 6:  # too small for a white rim; a rim of its own colour closes the seams
        edges = {"edgecolors": "face", "linewidth": 0.3}
    rows, columns = colours.shape[:2]
    corners = np.stack(np.meshgrid(np.arange(columns + 1.0), np.arange(rows + 1.0)), axis=-1)
    mesh = QuadMesh(corners, antialiased=False, transform=on, **edges)
    mesh.set_array(colours)
    return mesh


def _line(across: Any, down: Any, on: "Transform", **how: Any) -> "Line2D":
    from matplotlib.lines import Line2D

    return Line2D(across, down, transform=on, **how)


def _coloured(values: Array, limit: float) -> Array:
    """Return float64[rows, columns, 4], red to opacity, 0 to 1."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgba

    ramp = LinearSegmentedColormap.from_list("ramp", [LOW, MIDDLE, HIGH])
    colours: Array = ramp((np.nan_to_num(values) / limit).clip(-1, 1) / 2 + 0.5)
    colours[~np.isfinite(values)] = to_rgba(_NOT_FINITE)
    return colours


def _written(place: tuple[float, float], value: float, colour: Array, on: "Transform") -> "Text":
    from matplotlib.text import Text

    text = brief(value)
    size = 11.5 if len(text) <= 6 else 8.5
    ink = "#ffffff" if _is_dark(colour) else "#111111"
    return Text(*place, text, color=ink, fontsize=size, ha="center", va="center", transform=on)


def _is_dark(colour: Array) -> bool:
    """Whether white is read on it better than black, by WCAG's relative luminance."""
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return float(linear[:3] @ [0.2126, 0.7152, 0.0722]) < 0.18


def _frame(row: int, column: int, on: "Transform") -> list["Line2D"]:
    """Frame a cell in black around white: seen on every colour."""
    across = [column, column + 1, column + 1, column, column]
    down = [row, row, row + 1, row + 1, row]
    colours = (("#ffffff", 4), ("#111111", 2))
    return [_line(across, down, on, color=colour, linewidth=width) for colour, width in colours]
