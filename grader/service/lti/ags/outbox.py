"""Decide what to do next about one student's grade: a pure function of row and event.

    send -- accepted ---------------------------> done
      |---- conflict ----> read -- the same ----> done      -- another: a later stamp, send
      |---- refused -----------------------------> parked
      '---- unknown -----> wait, read -- the same -> done    -- another: send, then read once more
                                                  parked <-- still another
Where a score would replace what a teacher set by hand, a later one begins with a read:
    read -- none, or what was taken last -> send          -- another: parked
A send whose outcome is not known may still be stored later: a server that froze between its check
and its write does that. So nothing is sent after it before `settle_s` has passed.
"""

from dataclasses import replace

from grader.service.lti.ags.row import Event, Kind, Row, Timing
from grader.service.lti.ags.rules import RULES, Waits
from grader.service.lti.ags.score import Score

_LET_IN: tuple[Kind, ...] = ("accepted", "conflict", "shown", "unreadable", "healthy")
"""What only a token that was good brings."""
_ANSWERS: tuple[Kind, ...] = ("accepted", "conflict", "refused")
"""What only a platform that works says of a score."""


def decide(row: Row | None, score: Score, now_s: float, *, asks_first: bool = False) -> Row:
    """Put a newly decided grade in the place of the older one; an equal one changes nothing.

    What failed of one that rests says nothing about this one; what is failing just now still does.

    Args:
        asks_first: whether the gradebook is read before a grade that it has is replaced.
    """
    if row is None:
        return Row(wanted=score, due_s=now_s)
    if row.wanted.same_grade(score):
        return row
    if row.step in ("done", "parked"):
        fresh = replace(send_again(row, now_s), wanted=score)
        if asks_first and row.sent is not None:
            return replace(fresh, step="read", doubt="by_hand")
        return fresh
    return replace(row, wanted=score, restamps=0, resends=0)


def send_again(row: Row, now_s: float) -> Row:
    """Start afresh, for a person or a new grade; a read that is under way decides by itself."""
    due_s = max(now_s, row.quiet_until_s)
    if row.step == "read":
        return replace(row, due_s=min(due_s, row.due_s or due_s))
    return Row(
        wanted=row.wanted,
        due_s=due_s,
        sent=row.sent,
        taken=row.taken,
        newest_s=row.newest_s,
        stamp_s=row.stamp_s,
        floor_s=row.floor_s,
        uncertain=row.uncertain,
        quiet_until_s=row.quiet_until_s,
    )


def begin(row: Row, now_s: float) -> Row:
    """Return the row as it is to be stored before its step is taken.

    Moodle compares whole seconds and refuses an equal timestamp, so each is a second later.
    """
    if row.step not in ("send", "parked"):
        return row
    stamp_s = max(int(now_s), row.stamp_s + 1, int(row.floor_s) + 1 if row.floor_s else 0)
    return replace(row, step="send", sent=row.wanted, stamp_s=stamp_s)


def after(row: Row, event: Event, now_s: float, timing: Timing, jitter: float) -> Row:
    """Return the row after a step, with the next one and when it is due.

    Args:
        row: as `begin` left it, but for a newer decision.
        jitter: 0 to 1, drawn by the caller: retries of many rows must not come together.
    """
    settled = row if event.kind == "unauthorized" else replace(row, renewed=False)
    if event.kind in _LET_IN:
        settled = replace(settled, token_refusals=0)
    if event.kind in _ANSWERS:
        settled = replace(settled, failing_since_s=None)
    return RULES[event.kind](settled, event, now_s, Waits(timing, jitter))


def interrupted(row: Row, now_s: float, timing: Timing) -> Row:
    """Return the row whose step was under way when its process ended."""
    if row.step != "send":
        return replace(row, due_s=now_s)
    text = "the process that sent it ended before the answer came"
    return after(row, Event(kind="unknown", text=text), now_s, timing, 0.0)
