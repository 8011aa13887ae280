"""Write a grade as AGS wants it, and read back what a gradebook shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isclose, isfinite
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from grader.service.lti import names

OVERWRITING = ("canvas", "sakai", "sakailms.org")
"""Families whose gradebook takes a score over what a teacher set by hand. Source: Canvas's
ScoresController, Sakai's SakaiLTIUtil.handleAssignment."""

TOLERANCE = 1e-4
"""Of the maximum: Moodle keeps 5 decimals, others round to 2 of 100."""
_CUT, _COARSE = 0.0101, 10.0
"""Points that Sakai cuts off, which keeps hundredths, where there are so many to be had."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """A decided grade.

    Attributes:
        given: 0 or more; maximum: more than 0.
        submitted_at: Unix time of the attempt that it rests on; constant for an attempt.
        comment: what the student may read beside it; "" for nothing.
    """

    given: float
    maximum: float
    submitted_at: float
    comment: str = ""

    def __post_init__(self) -> None:
        if not (isfinite(self.given) and isfinite(self.maximum)):
            raise ValueError("a score is a finite number")
        if self.given < 0 or self.maximum <= 0:
            raise ValueError("a score is 0 or more, its maximum is more than 0")

    def same_grade(self, other: "Score") -> bool:
        """Whether a gradebook shows the same for both."""
        return shows(self, other.given, other.maximum)


def shows(score: Score, given: float, maximum: float) -> bool:
    """Whether given of maximum is this grade, on whatever scale."""
    if maximum <= 0:
        return False
    return isclose(given / maximum, score.given / score.maximum, rel_tol=0, abs_tol=TOLERANCE)


def body(
    score: Score, user: str, *, stamp_s: int, family: str, repeats_attempt: bool = False
) -> dict[str, Any]:
    """Return what is posted: final scores only, since a pending one wipes the grade in Moodle.

    Canvas is not asked to let a teacher's grade stay (prioritize_non_tool_grade): it would let any
    grade stay, those that we sent before among them. Its source, ScoresController.

    Args:
        stamp_s: Unix time, whole seconds: Moodle compares no finer.
        repeats_attempt: whether the newest attempt that it knows is the score's, or a later one, as
            after a regrade.
    """
    submitted = moment(score.submitted_at)
    written: dict[str, Any] = {
        "userId": user,
        "scoreGiven": score.given,
        "scoreMaximum": score.maximum,
        "timestamp": moment(stamp_s),
        "activityProgress": "Completed",
        "gradingProgress": "FullyGraded",
        "submission": {"startedAt": submitted, "submittedAt": submitted},
        "comment": score.comment,  # also "": Open edX goes on showing the last one that it was told
    }
    if family == "canvas" and repeats_attempt:  # else it would use up one of the student's
        written[names.CANVAS_SUBMISSION] = {"new_submission": False}
    return written


def moment(unix_s: float) -> str:
    """Return a time as ISO 8601 with a zone and milliseconds."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds")


def scores_url(line_item: str) -> str:
    """Return where a line item takes scores; its query string stays last."""
    return _below(line_item, "/scores")


def results_url(line_item: str, user: str) -> str:
    """Return where a line item shows one user's result."""
    address = _below(line_item, "/results")
    joint = "&" if urlsplit(address).query else "?"
    return f"{address}{joint}user_id={quote(user, safe='')}"


def _below(line_item: str, path: str) -> str:
    parts = urlsplit(line_item)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + path))


@dataclass(frozen=True)
class Shown:
    """What a gradebook shows for a user.

    Attributes:
        given: None when it shows no grade.
    """

    given: float | None
    maximum: float = 1.0

    def is_grade(self, score: Score) -> bool:
        """Whether it is this grade, as far as a gradebook keeps it."""
        if self.given is None:
            return False
        off = abs(self.given - score.given / score.maximum * self.maximum)
        is_cut = self.maximum >= _COARSE and off <= _CUT
        return is_cut or shows(score, self.given, self.maximum)

    def __str__(self) -> str:
        return "no grade" if self.given is None else f"{self.given:g} of {self.maximum:g}"


def read_results(document: Any, user: str) -> Shown | None:
    """Return what a page of results says about a user; None when it says nothing.

    Some platforms ignore user_id and list everybody, so others' results are passed over.

    Raises:
        ValueError: it is no list of results.
    """
    if not isinstance(document, list):
        raise ValueError("the results are no list")
    for result in document:
        if isinstance(result, dict) and str(result.get("userId")) == user:
            return _shown(result)
    return None


def _shown(result: Mapping[str, Any]) -> Shown:
    given = _number(result.get("resultScore"))
    maximum = _number(result.get("resultMaximum"))
    # AGS 2.0: without a maximum it is 1.
    return Shown(given, maximum if maximum is not None and maximum > 0 else 1.0)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        return None
    return float(value)
