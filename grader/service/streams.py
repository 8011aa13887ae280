"""Share out what a process has for what lasts: descriptors for streams, memory for uploads."""

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

EACH = 10
"""Of one user at once, as many tabs: each looks into the database every second, and a script could
open thousands before the first one ends."""


class Streams:
    """Counts the streams of one process, or what it reads; for its event loop alone.

    Args:
        most: streams at once. Above it there is no room: whoever hands in needs a descriptor too.
        each: of them one user's.
    """

    def __init__(self, most: int, *, each: int = EACH) -> None:
        self._most, self._each, self._open = most, each, Counter[Hashable]()

    @contextmanager
    def room(self, user: Hashable) -> Iterator[bool]:
        """Hold a stream's place while the block runs; give False where there is none for a user."""
        has_room = self._open.total() < self._most and self._open[user] < self._each
        self._open[user] += has_room
        try:
            yield has_room
        finally:
            self._open[user] -= has_room
            if not self._open[user]:
                del self._open[user]
