"""Draw noise against signal: each program a point, the bound a line."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from grader.authoring.adequacy import Adequacy
from grader.authoring.calibration import Calibration
from grader.errors import UsageError

_SUFFIXES = (".svg", ".png")
_RIGHT, _WRONG = "#1a7f5a", "#b3261e"
_NAMED = 3
"""Wrong programs that come nearest to the bound and are named; of the right ones the worst is."""


class Point(NamedTuple):
    """One program: its error in units of the bound; None when there was nothing to compare."""

    name: str
    is_right: bool
    margin: float | None


def points_of_check(found: Adequacy) -> list[Point]:
    """Return a point a program that was judged by its values."""
    return [
        Point(row.name, row.kind in ("accepted", "right variant"), row.margin)
        for row in found.rows
        if not row.equivalent and (row.by_values or not row.caught)
    ]


def points_of_calibration(found: Calibration) -> list[Point]:
    """Return a point a variant of the reference."""
    return [
        *(Point(name, True, _finite(margin)) for name, margin in found.noise.items()),
        *(Point(name, False, _finite(margin)) for name, margin in found.signal.items()),
    ]


def refuse_other_format(target: Path) -> None:
    """Refuse a picture that could not be drawn: at best before what it shows is measured.

    Raises:
        UsageError: the suffix is neither .svg nor .png.
    """
    if target.suffix not in _SUFFIXES:
        raise UsageError(f"--plot takes an .svg or .png file, not {target.name!r}")


def draw(points: Sequence[Point], title: str, target: Path) -> None:
    """Write the picture.

    Args:
        target: its suffix decides the format, .svg or .png.

    Raises:
        UsageError: the suffix is another one, or the target cannot be written.
    """
    refuse_other_format(target)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    right = sorted((p for p in points if p.is_right), key=_height)
    wrong = sorted((p for p in points if not p.is_right), key=_height)
    top = max((_height(p) for p in points if p.margin is not None), default=1.0) * 10
    for group, colour, label in ((right, _RIGHT, "right"), (wrong, _WRONG, "wrong")):
        places = [(at + 0.5) / len(group) for at in range(len(group))]
        heights = [min(_height(point), top) for point in group]
        axes.scatter(places, heights, s=14, color=colour, label=f"{label}: {len(group)} programs")
        nearest = group[-1:] if group is right else group[:_NAMED]
        for point in nearest:
            at = group.index(point)
            axes.annotate(
                point.name,
                (places[at], heights[at]),
                textcoords="offset points",
                xytext=(-4, 5) if group is right else (5, -9),
                ha="right" if group is right else "left",
                fontsize=7,
                color=colour,
            )
    axes.axhline(1.0, color="black", linewidth=1.2)
    axes.annotate("the bound", (1.0, 1.0), ha="right", va="bottom", fontsize=8)
    unlike = sum(point.margin is None for point in points)
    axes.set_yscale("log")
    axes.set_ylabel("error / bound of its case")
    axes.set_xticks([])
    note = f"{unlike} at the top returned nothing to compare" if unlike else ""
    axes.set_xlabel(f"programs, each group in the order of its error. {note}")
    axes.set_title(f"{title}: noise against signal")
    axes.legend(loc="center right", frameon=False)
    axes.grid(axis="y", alpha=0.25)
    try:
        figure.savefig(target, metadata={"Date": None} if target.suffix == ".svg" else None)
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}") from error


def _height(point: Point) -> float:
    """Where a point lies; an error of exactly 0 has no logarithm."""
    return math.inf if point.margin is None else max(point.margin, 1e-4)


def _finite(margin: float) -> float | None:
    return margin if math.isfinite(margin) else None
