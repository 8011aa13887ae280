"""Turn points into numbers that every platform takes: finite, and never outside their range."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grader.model import Report

_DECIMALS = 6


def clamped(points: float, most: float) -> float:
    """Return points within 0 and most; 0 for what is no finite number."""
    if not (math.isfinite(points) and math.isfinite(most)):
        return 0.0
    return round(min(max(float(points), 0.0), max(float(most), 0.0)), _DECIMALS)


def whole(points: float) -> int:
    """Return points as a whole number, 0 or more; 0 for what is no finite number."""
    return max(0, math.floor(points)) if math.isfinite(points) else 0


def fraction(report: "Report") -> float:
    """Return the score as a fraction of the most that can be reached, 0 to 1.

    It is not rounded: whoever multiplies it by the points of the whole must get whole points. Where
    nothing can be reached, what is accepted is right for all that.
    """
    most = report.max_score
    if not (math.isfinite(report.score) and math.isfinite(most)):
        return 0.0
    if most <= 0:
        return 1.0 if report.verdict == "accepted" else 0.0
    return min(max(report.score / most, 0.0), 1.0)
