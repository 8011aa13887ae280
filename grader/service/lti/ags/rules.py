"""Say what each event makes of a row: one rule for each kind of event."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from grader.service.lti.ags.row import Event, Kind, Row, Step, Timing
from grader.service.lti.ags.score import Score, Shown

MOST_RESTAMPS = 3
MOST_LOCKED = 5
MOST_TOKEN_REFUSALS = 8
"""A platform that cannot fetch our keys for a moment refuses us for as long."""
_LOCK_RETRIES_S = (3_600.0, 86_400.0)
"""When a grade that seems locked is tried again, for a teacher may unlock it."""

NO_TOKEN = "the platform gives us no token: "
LOCKED = "the grade is probably locked in the gradebook: "
LATER = "the LMS has a later timestamp than ours: "
ANOTHER = "the LMS shows another grade: "
SILENT = "no usable answer for "
"""What the problem of a parked row begins with; else it is the platform's own words."""


@dataclass(frozen=True)
class Waits:
    """How long the next pause is."""

    timing: Timing
    jitter: float

    def pause_s(self, failures: int, wait_s: float) -> float:
        grown = self.timing.base_s * 2.0 ** min(failures, 20)
        own = min(self.timing.most_s, grown) * (0.5 + self.jitter / 2)
        return max(own, min(wait_s, 86_400.0))


Rule = Callable[[Row, Event, float, Waits], Row]


def _accepted(row: Row, event: Event, now_s: float, waits: Waits) -> Row:
    assert row.sent is not None
    fine = _answered(replace(_with(row, row.sent), locked=0, lock_parks=0))
    if row.superseded:
        return replace(fine, step="send", due_s=now_s)
    if row.uncertain:  # an older send may still be stored over this one
        return replace(fine, step="read", doubt="verify", due_s=now_s + waits.timing.settle_s)
    return replace(fine, step="done", due_s=None, doubt="")


def _conflict(row: Row, event: Event, now_s: float, waits: Waits) -> Row:
    floor_s = max(row.floor_s, event.server_s)
    noted = replace(row, floor_s=floor_s, problem=event.text)
    return replace(noted, step="read", doubt="conflict", due_s=now_s)


def _refused(row: Row, event: Event, now_s: float, waits: Waits) -> Row:
    if row.superseded:  # what was refused is not what is wanted now
        return replace(row, step="send", due_s=now_s, problem=event.text)
    return _park(row, event.text)


def _unauthorized(row: Row, event: Event, now_s: float, waits: Waits) -> Row:
    """Nothing was stored. A new token at once; a platform that refuses that too may be starting."""
    if not row.renewed:
        return replace(row, renewed=True, due_s=now_s, problem=event.text)
    refused = replace(row, renewed=False, token_refusals=row.token_refusals + 1)
    if refused.token_refusals < MOST_TOKEN_REFUSALS:
        return _later(refused, event, now_s, waits)
    rules: dict[Step, Rule] = {"send": _refused, "read": _unreadable, "probe": _unhealthy}
    return rules[row.step](refused, event, now_s, waits)


def _not_sent(row: Row, event: Event, now_s: float, waits: Waits) -> Row:
    return _later(row, event, now_s, waits)


def _token_refused(row: Row, event: Event, now_s: float, waits: Waits) -> Row:
    refused = replace(row, token_refusals=row.token_refusals + 1)
    if refused.token_refusals >= MOST_TOKEN_REFUSALS:
        return _park(refused, f"{NO_TOKEN}{event.text}")
    return _later(refused, event, now_s, waits)


def _unknown(row: Row, event: Event, now_s: float, waits: Waits) -> Row:
    if row.step == "read" and row.doubt == "by_hand":  # nothing was sent
        return _read_failed(row, event, now_s, waits)
    later = _later(row, event, now_s, waits)
    if later.step == "parked":
        return later
    quiet_until_s = now_s + waits.timing.settle_s
    return replace(
        later,
        step="read",
        doubt="unknown",
        due_s=max(quiet_until_s, later.due_s or now_s),
        uncertain=True,
        quiet_until_s=quiet_until_s,
        answered_500=event.status == 500,
    )


def _shown(row: Row, event: Event, now_s: float, waits: Waits) -> Row:
    assert event.shown is not None
    row = replace(row, reads_failed=0)
    if event.shown.is_grade(row.wanted):
        fine = replace(_answered(_with(row, row.wanted)), uncertain=False)
        return replace(fine, step="done", due_s=None, doubt="")
    if row.doubt == "by_hand":
        return _asked_first(row, event.shown, now_s)
    if row.superseded:
        return replace(row, step="send", due_s=now_s)
    return _differs(row, f"it shows {event.shown}", now_s)


def _asked_first(row: Row, shown: Shown, now_s: float) -> Row:
    """Send where the gradebook has what we sent; what a teacher set stays until somebody says."""
    ours = [score for score in (row.taken, row.sent) if score is not None]
    if shown.given is not None and not any(map(shown.is_grade, ours)):
        return _park(row, f"{ANOTHER}it shows {shown}")
    return replace(row, step="send", due_s=now_s, doubt="")


def _differs(row: Row, seen: str, now_s: float) -> Row:
    """The gradebook shows another grade than the one that was sent last."""
    if row.doubt == "conflict":
        if row.restamps >= MOST_RESTAMPS:
            return _park(row, f"{LATER}{row.problem}; {seen}")
        return replace(row, step="send", restamps=row.restamps + 1, due_s=now_s + 1)
    if row.doubt == "unknown":
        step: Step = "probe" if row.answered_500 else "send"
        return replace(row, step=step, resends=1, due_s=now_s)
    if row.resends >= 1:
        return _park(row, f"{ANOTHER}{seen}")
    return replace(row, step="send", resends=1, due_s=now_s)


def _unreadable(row: Row, event: Event, now_s: float, waits: Waits) -> Row:
    """Without the right to read, an answer of 2xx has to do."""
    if row.doubt == "by_hand":
        return replace(row, step="send", due_s=now_s, doubt="")
    if row.doubt == "verify":
        return replace(_answered(row), step="done", due_s=None, doubt="", uncertain=False)
    return _differs(row, f"its results cannot be read: {event.text}", now_s)


def _read_failed(row: Row, event: Event, now_s: float, waits: Waits) -> Row:
    later = _later(replace(row, failures=row.reads_failed), event, now_s, waits)
    return replace(later, failures=row.failures, reads_failed=row.reads_failed + 1)


def _healthy(row: Row, event: Event, now_s: float, waits: Waits) -> Row:
    """The platform works and refuses this one score: that is how Moodle says "locked"."""
    locked = replace(row, locked=row.locked + 1)
    if locked.locked < MOST_LOCKED:
        return replace(locked, step="send", due_s=now_s)
    text = f"{LOCKED}{row.problem}"
    parked = _park(replace(locked, locked=MOST_LOCKED - 1), text)
    if row.lock_parks >= len(_LOCK_RETRIES_S):
        return parked
    due_s = now_s + _LOCK_RETRIES_S[row.lock_parks]
    return replace(parked, due_s=due_s, lock_parks=row.lock_parks + 1)


def _unhealthy(row: Row, event: Event, now_s: float, waits: Waits) -> Row:
    return replace(row, step="send", locked=0, due_s=now_s)


RULES: dict[Kind, Rule] = {
    "accepted": _accepted,
    "conflict": _conflict,
    "refused": _refused,
    "unauthorized": _unauthorized,
    "throttled": _not_sent,
    "not_sent": _not_sent,
    "token_refused": _token_refused,
    "unknown": _unknown,
    "shown": _shown,
    "unreadable": _unreadable,
    "read_failed": _read_failed,
    "healthy": _healthy,
    "unhealthy": _unhealthy,
}


def _later(row: Row, event: Event, now_s: float, waits: Waits) -> Row:
    """Take the same step again after a pause, unless this has gone on for days."""
    since_s = row.failing_since_s if row.failing_since_s is not None else now_s
    if now_s - since_s > waits.timing.give_up_s:
        days = (now_s - since_s) / 86_400
        return _park(row, f"{SILENT}{days:.0f} days, lastly: {event.text}")
    return replace(
        row,
        due_s=now_s + waits.pause_s(row.failures, event.wait_s),
        failures=row.failures + 1,
        failing_since_s=since_s,
        problem=event.text,
    )


def _with(row: Row, taken: Score) -> Row:
    return replace(row, taken=taken, newest_s=max(row.newest_s, taken.submitted_at))


def _answered(row: Row) -> Row:
    return replace(
        row, failures=0, reads_failed=0, failing_since_s=None, token_refusals=0, problem=""
    )


def _park(row: Row, problem: str) -> Row:
    return replace(row, step="parked", due_s=None, doubt="", problem=problem)
