"""Say how long to wait before the next try, so that many graders do not try at once."""

import random

_FIRST_S, _MOST_S = 1.0, 60.0
_SPREAD = 0.2


def after_failures(count: int, *, first_s: float = _FIRST_S, most_s: float = _MOST_S) -> float:
    """Return seconds to wait after so many failures in a row: doubled each time, half by lot."""
    ceiling = min(most_s, first_s * 2.0 ** min(max(count - 1, 0), 30))
    return ceiling * random.uniform(0.5, 1.0)


def between_polls(poll_s: float) -> float:
    """Return seconds between two looks at an empty queue, a fifth more or less."""
    return poll_s * random.uniform(1 - _SPREAD, 1 + _SPREAD)
