"""Say so where standard output takes no more: its disk is full, or its reader has gone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from grader.errors import UsageError

STDOUT = 1


@contextmanager
def printing() -> Iterator[None]:
    """Name standard output where it cannot be written.

    Raises:
        UsageError: it takes no more.
        BrokenPipeError: whoever read it has gone, which is for the command to end by.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_output()
        raise UsageError(f"cannot write standard output: {error.strerror}") from error


def discard_output() -> None:
    """Drop what is still to be printed: Python tries again at its end, and would exit with 120."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STDOUT)
    os.close(nowhere)
