"""Decide a student's grade from their attempts: best or last, less what lateness costs.

Decided before the outbox, so that a worse attempt under "best" sends nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

import msgspec

from grader.service.lti.ags.score import Score

_DAY_S = 86_400.0


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How attempts count.

    Attributes:
        keep: which attempt counts.
        due_s: Unix time; None for no due time.
        grace_minutes: how long after it nothing is taken off.
        percent_off_per_day: of the points, for each day begun after the grace.
        most_percent_off: never more than this.
    """

    keep: Literal["best", "last"] = "best"
    due_s: float | None = None
    grace_minutes: float = 0.0
    percent_off_per_day: float = 0.0
    most_percent_off: float = 100.0


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A judged submission: points of maximum, sent in at a Unix time; `id` names it."""

    given: float
    maximum: float
    submitted_s: float
    id: str = ""


def percent_off(policy: Policy, submitted_s: float) -> float:
    """Return what lateness takes off an attempt."""
    if policy.due_s is None:
        return 0.0
    late_s = submitted_s - policy.due_s - policy.grace_minutes * 60
    if late_s <= 0:
        return 0.0
    off = ceil(late_s / _DAY_S) * policy.percent_off_per_day
    return min(off, policy.most_percent_off, 100.0)


def decide(attempts: Sequence[Attempt], policy: Policy) -> Score | None:
    """Return the grade that counts; None without an attempt."""
    found = counting(attempts, policy)
    return None if found is None else found[1]


def counting(attempts: Sequence[Attempt], policy: Policy) -> tuple[Attempt, Score] | None:
    """Return the attempt that counts, and the grade that it makes; None without an attempt."""
    in_order = sorted(attempts, key=lambda attempt: attempt.submitted_s)
    scored = [(attempt, _score(attempt, policy)) for attempt in in_order]
    if not scored:
        return None
    if policy.keep == "last":
        return scored[-1]
    return max(scored, key=lambda one: one[1].given / one[1].maximum)  # the earliest of equals


def _score(attempt: Attempt, policy: Policy) -> Score:
    off = percent_off(policy, attempt.submitted_s)
    return Score(
        given=round(attempt.given * (1 - off / 100), 4),
        maximum=attempt.maximum,
        submitted_at=attempt.submitted_s,
        comment=f"{off:g} % off for lateness" if off else "",
    )
