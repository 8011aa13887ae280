"""Describe one student's grade on its way: the row, what may come of its steps, the pauses."""

from dataclasses import dataclass
from typing import Literal

from grader.service.lti.ags.score import Score, Shown

Step = Literal["send", "read", "probe", "done", "parked"]
Doubt = Literal["", "conflict", "unknown", "verify", "by_hand"]
Kind = Literal[
    "accepted",  # 2xx
    "conflict",  # 409, or 400 that names the timestamp: a later one is stored
    "refused",  # any other 3xx or 4xx: it will not do
    "unauthorized",  # 401
    "throttled",  # 429 and its like: nothing was stored, not now
    "not_sent",  # no connection, or no token to be had: nothing was stored
    "token_refused",  # the token endpoint says no to us
    "unknown",  # a timeout, a broken answer, 5xx: stored or not
    "shown",  # the results were read
    "unreadable",  # the results may not be read
    "read_failed",  # the results could not be read this time
    "healthy",  # the line item can be read
    "unhealthy",  # it cannot
]


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long to wait.

    Attributes:
        settle_s: longer than the platform's slowest server may hold a request.
        base_s, most_s: the first and the longest pause after failures.
        give_up_s: how long a platform may fail before the row is parked.
    """

    settle_s: float = 120.0
    base_s: float = 5.0
    most_s: float = 1_800.0
    give_up_s: float = 4 * 86_400.0


@dataclass(frozen=True, kw_only=True)
class Event:
    """What came of a step.

    Attributes:
        text: the platform's own words, or what kept us from hearing them.
        status: HTTP status, if there was one.
        wait_s: what Retry-After asks for.
        server_s: the platform's clock, Unix time; 0.0 when it did not say.
        shown: what the gradebook shows; for "shown" only.
    """

    kind: Kind
    text: str = ""
    status: int | None = None
    wait_s: float = 0.0
    server_s: float = 0.0
    shown: Shown | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One student's grade in one column, on its way.

    Attributes:
        wanted: the newest decision; sent: what the last send carried; taken: what the platform is
            known to have taken last; newest_s: when the newest attempt was handed in, Unix time,
            whose score it took.
        due_s: Unix time from which the step may be taken; None: not by itself.
        doubt: why the results are read.
        stamp_s: timestamp of the last send, Unix time.
        floor_s: the next timestamp is later than this one of the platform's clock.
        uncertain: whether a send without a known outcome came since the grade was last read.
        quiet_until_s: before this a send could overtake one whose outcome is not known.
        failures: in a row, of sends; reads_failed: of reads since one came through.
        resends: sends of this decision since the gradebook was seen to show another grade.
        problem: why it waits or is parked.
    """

    wanted: Score
    step: Step = "send"
    due_s: float | None = 0.0
    doubt: Doubt = ""
    sent: Score | None = None
    taken: Score | None = None
    newest_s: float = 0.0
    stamp_s: int = 0
    floor_s: float = 0.0
    uncertain: bool = False
    quiet_until_s: float = 0.0
    answered_500: bool = False
    renewed: bool = False
    restamps: int = 0
    resends: int = 0
    failures: int = 0
    reads_failed: int = 0
    locked: int = 0
    lock_parks: int = 0
    token_refusals: int = 0
    failing_since_s: float | None = None
    problem: str = ""

    @property
    def superseded(self) -> bool:
        """Whether a newer decision came after the last send."""
        return self.sent is None or not self.sent.same_grade(self.wanted)

    @property
    def repeats_attempt(self) -> bool:
        """Whether what is sent rests on an attempt that is not new to the platform."""
        return self.sent is not None and self.sent.submitted_at <= self.newest_s
