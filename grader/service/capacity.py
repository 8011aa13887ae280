"""Share out what a process has for what lasts: descriptors for streams, memory for uploads."""

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

STREAMS_EACH = 10
"""Of one user at once, as many tabs: each looks into the database every second, and a script could
open thousands before the first one ends."""


class Capacity:
    """Counts what is held of something that a process has; for its event loop alone.

    Args:
        most: of it, held at once. Above it there is no room.
        each: holders that are one user's.
    """

    def __init__(self, most: int, *, each: int) -> None:
        self._most, self._each = most, each
        self._held, self._holders = 0, Counter[Hashable]()

    @contextmanager
    def room(self, user: Hashable, size: int = 1) -> Iterator[bool]:
        """Hold so much of it while the block runs; give False where there is none for a user."""
        has_room = self._held + size <= self._most and self._holders[user] < self._each
        taken = size if has_room else 0
        self._held += taken
        self._holders[user] += has_room
        try:
            yield has_room
        finally:
            self._held -= taken
            self._holders[user] -= has_room
            if not self._holders[user]:
                del self._holders[user]
