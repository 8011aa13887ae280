"""Read what Gradescope tells of a student's earlier submissions.

Every one comes with its time, its score and whether it failed to run "at no fault of the student",
the latest alone with its results. So each of our results hands on the times of all that were not
judged; where Gradescope itself failed in between, they are lost, and those count. Source: its page
on submission_metadata.json (read in 2026).
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from grader.platforms.scores import clamped

_WHY, _WHEN = "not_judged", "not_judged_at"
_MOST_TIMES = 100
_SAME = timedelta(seconds=1)
"""What is closer is one submission: nobody promises that every digit of its time comes back."""


class History:
    """The submissions before this one.

    Args:
        metadata: of this submission; whatever in it is not as documented is left out.

    Attributes:
        now: when this one was sent; None where that is not told.
    """

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        self.now = _time(metadata.get("created_at"))
        listed = metadata.get("previous_submissions")
        told = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        timed = [(at, one) for one in told if (at := _time(one.get("submission_time"))) is not None]
        self._submissions = sorted(timed, key=lambda pair: pair[0])
        self._not_judged = sorted(_times_not_judged(self._submissions))[-_MOST_TIMES:]

    def score(self) -> float | None:
        """Return the score of the latest submission that has one and did run."""
        scores = [
            clamped(score, 1e9)
            for _, one in self._submissions
            if one.get("autograder_error") is not True
            if (score := _number(one.get("score"))) is not None
        ]
        return scores[-1] if scores else None

    def place(self, name: str) -> float | None:
        """Return what the latest submission has in a column of the leaderboard, if it is told."""
        for _, one in reversed(self._submissions):
            results = one.get("results")
            places = results.get("leaderboard") if isinstance(results, dict) else None
            for place in places if isinstance(places, list) else ():
                if isinstance(place, dict) and place.get("name") == name:
                    value = _number(place.get("value"))
                    return None if value is None else clamped(value, 1e9)
        return None

    def judged_since(self, since: datetime) -> list[datetime]:
        """Return when those were sent that were judged after a moment and before this one."""
        return [
            at
            for at, _ in self._submissions
            if since < at and self.now is not None and at < self.now
            if not any(abs(at - other) < _SAME for other in self._not_judged)
        ]

    def handed_on(self, not_judged: str = "") -> dict[str, Any]:
        """Return what the result of this submission keeps for the next.

        Args:
            not_judged: why this one was not judged; empty when it was.
        """
        times = [*self._not_judged, self.now] if not_judged and self.now else self._not_judged
        facts: dict[str, Any] = {_WHEN: [at.isoformat() for at in times]} if times else {}
        return {_WHY: not_judged, **facts} if not_judged else facts


def _times_not_judged(submissions: Sequence[tuple[datetime, Mapping[str, Any]]]) -> set[datetime]:
    found = set()
    for at, one in submissions:
        results = one.get("results")
        facts = results.get("extra_data") if isinstance(results, dict) else None
        if not isinstance(facts, dict):
            facts = {}
        if _WHY in facts or one.get("autograder_error") is True:
            found.add(at)
        handed_on = facts.get(_WHEN)
        for text in handed_on if isinstance(handed_on, list) else ():
            time = _time(text)
            if time is not None:
                found.add(time)
    return found


def _time(text: Any) -> datetime | None:
    """Return a time with its zone; None for anything else."""
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo is not None and 1980 < time.year < 9000 else None


def _number(value: Any) -> float | None:
    """Return a finite number, also from a string such as "20.0"."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and not isinstance(value, bool) else None
