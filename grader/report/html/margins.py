"""Draw the error of every case against its bound."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from grader.model import CaseResult
from grader.report.html import svg
from grader.report.html.numbers import brief, counted
from grader.report.html.pictures import quiet
from grader.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PASSED, FAILED = "#2e9e6b", "#d9534a"
"""At least 3 to 1 on the page's light and its dark ground; the shape says the same."""

_WIDTH_PX = 680
_FLOOR = 1e-6
"""Margins below are drawn here: an error of exactly 0 has no logarithm."""
_MOST_NUMBERED = 12
"""Failing cases up to which each has its number beside it."""
_LONGEST_NAME = 24


def in_words(cases: Sequence[CaseResult]) -> str:
    """Return what the picture shows."""
    failed = [case for case in cases if not case.passed]
    passed = [float(case.margin) for case in cases if case.passed]
    said = f"{counted(len(passed), 'case')} of {len(cases)} within the bound"
    if passed:
        said += f", where the largest error is {brief(max(passed))} of it"
    if not failed:
        return f"{said}."
    named = [f"case {case.number}: {margin_in_words(case)}" for case in failed[:_MOST_NUMBERED]]
    more = len(failed) - len(named)
    return f"{said}. Outside: {'; '.join(named)}{f'; and {more} more' if more else ''}."


def margin_in_words(case: CaseResult) -> str:
    """Return "0.02" or "310 times the bound" or that there is nothing to compare."""
    margin = float(case.margin)
    if not math.isfinite(margin):
        return "nothing to compare"
    return brief(margin) if case.passed else f"{brief(margin)} times the bound"


def dot_plot(cases: Sequence[CaseResult], *, name: str) -> Markup:
    """Draw a lane a family, its cases from top to bottom in the order of the suite.

    Args:
        cases: at least one.
    """
    places, lanes = _places(cases)
    step = min(9.0, max(2.5, 520 / len(cases)))
    depth = max(places.values()) + 2
    height = depth * step + 52
    labels = {lane: _label(lane) for lane in lanes}
    left = 16 + 7.4 * max(map(len, labels.values()))
    figure = svg.blank(_WIDTH_PX, height)
    across = (left / _WIDTH_PX, 1 - (left + 16) / _WIDTH_PX)
    axes = figure.add_axes((across[0], 30 / height, across[1], 1 - 52 / height))
    axes.set_xscale("log")
    low, high = _reach(cases)
    axes.set_xlim(low, high)
    axes.set_ylim(depth - 1, -1)
    quiet(axes)
    ticks = [10.0**power for power in _powers(low, high)]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
    axes.set_xticks([], minor=True)
    axes.set_yticks(list(lanes.values()), list(labels.values()))
    _lines(axes, ticks)
    _dots(axes, cases, places)
    return svg.inline(figure, name=name, alt=f"Error against bound. {in_words(cases)}")


def _lines(axes: "Axes", ticks: Sequence[float]) -> None:
    for tick in ticks:
        axes.axvline(tick, color=svg.INK, linewidth=0.6, alpha=0.2)
    axes.axvline(1.0, color=svg.INK, linewidth=1.6)
    how: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "color": svg.INK}
    axes.annotate("the bound", (1.0, -1), (0, 5), **how)


def _dots(axes: "Axes", cases: Sequence[CaseResult], places: dict[int, float]) -> None:
    low, high = axes.get_xlim()
    edge = high / (high / low) ** 0.02
    groups: dict[tuple[str, str], list[tuple[float, float]]] = {}
    failed = sum(not case.passed for case in cases)
    for at, case in enumerate(cases):
        margin = float(case.margin)
        drawn = max(margin, low * 1.2) if math.isfinite(margin) else edge
        style = ("o", PASSED) if case.passed else ("X" if math.isfinite(margin) else ">", FAILED)
        groups.setdefault(style, []).append((drawn, places[at]))
        if not case.passed and failed <= _MOST_NUMBERED:
            how: dict[str, Any] = {"textcoords": "offset points", "ha": "right", "color": svg.INK}
            axes.annotate(str(case.number), (drawn, places[at]), (-9, -4), **how)
    for (marker, colour), points in groups.items():
        size = 6.5 if marker == "o" else 10.0
        how = {"markersize": size, "alpha": 0.9, "markeredgewidth": 0, "clip_on": False}
        axes.plot(*zip(*points, strict=True), marker, color=colour, **how)


def _places(cases: Sequence[CaseResult]) -> tuple[dict[int, float], dict[str, float]]:
    """Return how far down each case lies, by its index, and the middle of each family."""
    families: dict[str, list[int]] = {}
    for at, case in enumerate(cases):
        families.setdefault(case.family, []).append(at)
    places, lanes, down = {}, {}, 0.0
    for family, members in families.items():
        lanes[family] = down + (len(members) - 1) / 2
        for at in members:
            places[at] = down
            down += 1
        down += 2
    return places, lanes


def _reach(cases: Sequence[CaseResult]) -> tuple[float, float]:
    """Return the ends of the axis: whole decades that hold every margin, and the bound."""
    known = [float(case.margin) for case in cases if float(case.margin) > 0]  # nan is not
    finite = [max(margin, _FLOOR) for margin in known if math.isfinite(margin)]
    low = math.floor(math.log10(min([*finite, 0.1])))
    high = math.ceil(math.log10(max([*finite, 10.0])) + 0.1)
    return 10.0**low, 10.0**high


def _powers(low: float, high: float) -> list[int]:
    """Return at most 8 decades to be labelled, the bound's own among them."""
    first, last = round(math.log10(low)), round(math.log10(high))
    step = (last - first) // 8 + 1
    return [power for power in range(first, last + 1) if power % step == 0]


def _label(family: str) -> str:
    """Return a name that every font has: what is not ASCII comes out escaped."""
    plain = printable(family, limit=200).encode("ascii", "backslashreplace").decode()
    return printable(plain, limit=_LONGEST_NAME)
