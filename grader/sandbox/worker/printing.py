"""Keep only so much of what a submission prints through Python.

A forgotten print(nnx.state(model)) is 16 KB, in each of a hundred calls: that is no reason to end a
right program. An endless print ends it, as do other ways of writing to the descriptors: the log is
full then, see RLIMIT_FSIZE.
"""

import io
import sys
from typing import Any

_KEPT_BYTES = 1 << 18
"""Of each of the two streams, together half of what the log takes."""
_ENDLESS_BYTES = 4 << 20
"""Of one stream, after which nothing is dropped. Before it a hundred calls print 40 KiB each."""


class Sparing(io.FileIO):
    """A descriptor that drops what comes after so many bytes; writing does not fail for it.

    Args:
        most: bytes that are written.
        endless: bytes after which all is written again.
    """

    def __init__(
        self, descriptor: int, most: int = _KEPT_BYTES, endless: int = _ENDLESS_BYTES
    ) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._left, self._until_endless = most, endless

    def write(self, data: Any, /) -> int:
        """Write what there is room for, and say that all was written."""
        whole = memoryview(data).cast("B")
        self._until_endless -= whole.nbytes
        if self._until_endless < 0:
            return super().write(whole)
        if not self._left:
            return whole.nbytes
        written = super().write(whole[: self._left])
        self._left -= written or 0
        return written


def print_sparingly() -> None:
    """Have both streams drop what is too much; they stay what `open` returns in all else."""
    sys.stdout, sys.stderr = _sparing(sys.stdout), _sparing(sys.stderr)


def _sparing(stream: Any) -> io.TextIOWrapper:
    raw = io.BufferedWriter(Sparing(stream.fileno()))
    return io.TextIOWrapper(
        raw,
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
