"""Draw how many have a score in each range, in SVG of our own: cheap enough for each request."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from grader.report.html.pictures import EXPECTED

_BINS = 10
_WIDTH_PX, _HEIGHT_PX = 680, 190
_ABOVE_PX, _BELOW_PX = 24, 26
_BAR = 0.82
"""Of a range's own width."""


class Bin(NamedTuple):
    """A range of scores, "90-99", and how many are in it."""

    label: str
    number: int


def binned(scores: Mapping[int, int], max_score: int) -> list[Bin]:
    """Divide the scores into ranges of equal width; full marks are a range of their own.

    Args:
        scores: points to how many have them.
    """
    width = max(1, -(-max_score // _BINS))
    bins = []
    for start in range(0, max_score, width):
        last = min(start + width, max_score) - 1
        label = str(start) if last == start else f"{start}-{last}"
        bins.append(Bin(label, sum(scores.get(score, 0) for score in range(start, last + 1))))
    return [*bins, Bin(str(max_score), scores.get(max_score, 0))]


def histogram(bins: Sequence[Bin], *, what: str = "Submissions") -> Markup:
    """Return the ranges as an <svg> element."""
    step = _WIDTH_PX / len(bins)
    floor = _HEIGHT_PX - _BELOW_PX
    most = max(1, *(one.number for one in bins))
    parts = []
    for place, one in enumerate(bins):
        middle = (place + 0.5) * step
        high = (floor - _ABOVE_PX) * one.number / most
        if one.number:
            left, top = middle - step * _BAR / 2, floor - high
            parts.append(
                f'<rect x="{left:.1f}" y="{top:.1f}" width="{step * _BAR:.1f}"'
                f' height="{high:.1f}" fill="{EXPECTED}"/>'
            )
            parts.append(_text(middle, top - 6, str(one.number)))
        parts.append(_text(middle, _HEIGHT_PX - 8, one.label))
    said = "; ".join(f"{one.label}: {one.number}" for one in bins if one.number)
    line = f'<path d="M0 {floor}H{_WIDTH_PX}" stroke="currentColor" stroke-opacity="0.5"/>'
    size = f'width="{_WIDTH_PX}" height="{_HEIGHT_PX}" viewBox="0 0 {_WIDTH_PX} {_HEIGHT_PX}"'
    label = escape(f"{what} by score. {said}.")
    head = f'<svg {size} role="img" aria-label="{label}" font-size="12" fill="currentColor">'
    return Markup(f"{head}{''.join(parts)}{line}</svg>")


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{words}</text>'
