"""Say so where standard output takes no more: its disk is full, or its reader has gone."""

from collections.abc import Iterator
from contextlib import contextmanager

from grader.errors import UsageError
from grader.standard_streams import STDOUT, lead_nowhere


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
        lead_nowhere(STDOUT)
        raise UsageError(f"cannot write standard output: {error.strerror}") from error
