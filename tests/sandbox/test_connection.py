"""A worker that does not read what it is sent holds nobody up."""

import os
import time
from collections.abc import Iterator

import numpy as np
import pytest

from grader.errors import RunError, TimeLimitExceeded
from grader.sandbox.connection import Connection, Deadline
from grader.sandbox.log import new_log
from grader.sandbox.pipes import Pipes
from grader.sandbox.worker import wire

QUESTION = wire.Message(wire.CALL, 1, b"", (np.zeros((300, 300, 3), np.float32),))
"""1 MiB: more than a pipe holds."""


class Silent:
    """A process that neither reads nor writes; it ended with exit code 3."""

    def pids(self) -> list[int]:
        return []

    def wait(self, seconds: float) -> int:
        return 3

    def kill(self) -> None:
        pass


@pytest.fixture
def ends() -> Iterator[tuple[Connection, int]]:
    """A connection, and the end of its requests that a worker would read."""
    unread, requests = os.pipe()
    replies, unwritten = os.pipe()
    pipes = Pipes(Silent(), requests, replies, new_log())
    yield Connection(pipes), unread
    pipes.close()
    os.close(unwritten)


def test_one_that_does_not_read_is_out_of_time(ends: tuple[Connection, int]) -> None:
    connection, unread = ends
    start = time.monotonic()
    with pytest.raises(TimeLimitExceeded, match="did not read"):
        connection.send(QUESTION, Deadline(start + 0.3, start + 300))
    os.close(unread)


def test_one_that_is_gone_is_told_by_its_end(ends: tuple[Connection, int]) -> None:
    connection, unread = ends
    os.close(unread)
    with pytest.raises(RunError, match="exit code 3"):
        connection.send(QUESTION, Deadline(*[time.monotonic() + 300] * 2))
