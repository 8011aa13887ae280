"""Keep what a process prints: a file without a name, open once for it and once for us.

What is done to its own descriptor (flags, the place where it reads) is then done to it alone: one
that was switched to O_DIRECT refused to be read by the judge, too.
"""

import os
import tempfile
from pathlib import Path


class Log:
    """One process's printing.

    Args:
        ours: a descriptor to read from; theirs: what the process writes to, None where it has it.
    """

    def __init__(self, ours: int, theirs: int | None = None) -> None:
        self.ours, self._theirs = ours, theirs
        self._open = [one for one in (ours, theirs) if one is not None]

    def fileno(self) -> int:
        """Return what the process is to write to."""
        assert self._theirs is not None, "what is only read has no other end"
        return self._theirs

    @property
    def size(self) -> int:
        """Bytes so far."""
        return os.fstat(self.ours).st_size

    def end(self, most: int) -> bytes:
        """Return no more than so many of the last bytes."""
        return os.pread(self.ours, most, max(0, self.size - most))

    def close(self) -> None:
        """Close both descriptors, once."""
        while self._open:
            os.close(self._open.pop())


def new_log() -> Log:
    """Make an empty one, of the caller's own user."""
    theirs, path = tempfile.mkstemp()
    try:
        return Log(os.open(path, os.O_RDONLY | os.O_CLOEXEC), theirs)
    finally:
        Path(path).unlink()
