"""Share a process's descriptors out between its streams."""

from collections.abc import Iterator
from contextlib import contextmanager


class Streams:
    """Counts the streams of one process; for its event loop alone.

    Args:
        most: streams at once. Above it there is no room: whoever hands in needs a descriptor too.
    """

    def __init__(self, most: int) -> None:
        self._most, self._open = most, 0

    @contextmanager
    def room(self) -> Iterator[bool]:
        """Hold a stream's place while the block runs; give False where there is none."""
        has_room = self._open < self._most
        self._open += has_room
        try:
            yield has_room
        finally:
            self._open -= has_room
