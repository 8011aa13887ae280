"""Take as many descriptors as this user may have, and share them out between who needs them."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def allow_most() -> None:
    """Raise the soft limit to the hard one: 1,024 is a usual allowance, and each stream has one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # more than the kernel gives anybody now
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def allowance() -> int:
    """Return how many descriptors this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


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
