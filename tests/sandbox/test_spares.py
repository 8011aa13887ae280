"""The next worker starts while this one is used; each serves once, and none is left behind."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest
from conftest import sandbox_called
from processes import children_of, is_alive
from test_leftovers import traces

from grader.errors import SandboxError
from grader.model import Deadlines, Sandbox
from grader.sandbox.choice import choose
from grader.sandbox.docker import Docker
from grader.sandbox.session import Session
from grader.sandbox.setup import Setup
from grader.sandbox.spares import Spares

SOURCE = (
    b"import numpy\nseen = []\ndef f(x):\n    seen.append(x)\n    return numpy.float32(len(seen))"
)


def ask(worker: Session) -> float:
    worker.load(SOURCE, "f")
    array = worker.call([np.float64(0)], first=True).array
    assert array is not None
    return float(array)


def test_each_spare_serves_one_submission_and_none_is_left(sandbox: Sandbox) -> None:
    sandbox.close()  # as the spares will
    before = traces(sandbox, os.getpid())
    with Spares(sandbox) as spares:
        for _ in range(2):
            with spares.open(Deadlines()) as worker:
                assert ask(worker) == 1.0, "a worker that nothing else ran in"
                assert set(worker.confined_by) >= {sandbox.name}
    assert traces(sandbox, os.getpid()) == before


def test_auto_starts_containers_ahead_for_whoever_grades_many() -> None:
    setup = Setup(None)
    with closing(choose("docker", setup, workers="auto")) as wall:
        assert isinstance(wall, Spares)
    assert isinstance(choose("docker", setup), Docker)
    with pytest.raises(SandboxError, match="forks no workers"):
        choose("docker", setup, workers="fork")


class Counting:
    """A wall that counts, and may fail."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.name, self.problem, self._sandbox = sandbox.name, sandbox.problem, sandbox
        self.close = sandbox.close
        self.pids: list[int] = []
        self.opened, self.closed, self.is_broken = 0, 0, False

    @contextmanager
    def open(self, deadlines: Deadlines) -> Iterator[Session]:
        if self.is_broken:
            raise SandboxError("broken")
        with self._sandbox.open(deadlines) as worker:
            assert isinstance(worker, Session)
            self.pids.append(worker.pid)
            self.opened += 1
            yield worker
        self.closed += 1


def wait_until_opened(wall: Counting, count: int) -> None:
    end = time.monotonic() + 60
    while wall.opened < count and time.monotonic() < end:
        time.sleep(0.01)
    assert wall.opened == count


def test_the_next_one_starts_while_this_one_is_used() -> None:
    wall = Counting(sandbox_called("confined"))
    with Spares(wall, count=2) as spares, spares.open(Deadlines()):
        wait_until_opened(wall, 3)
    assert wall.closed == 3


def test_a_spare_that_ended_while_it_waited_is_no_submissions_fault() -> None:
    wall = Counting(sandbox_called("confined"))
    with Spares(wall) as spares:
        with spares.open(Deadlines()):
            wait_until_opened(wall, 2)
        _used, waiting = wall.pids
        assert waiting in children_of(os.getpid())
        os.kill(waiting, signal.SIGKILL)
        while is_alive(waiting) or len(os.listdir(f"/proc/{waiting}/task")) > 1:
            time.sleep(0.01)  # until its last thread has closed the pipes
        with spares.open(Deadlines()) as worker:
            assert ask(worker) == 1.0
    assert wall.closed == wall.opened


def test_a_wall_that_breaks_says_so_and_works_again_when_mended() -> None:
    wall = Counting(sandbox_called("confined"))
    with Spares(wall) as spares:
        wall.is_broken = True
        for _ in range(2):
            with pytest.raises(SandboxError, match="broken"), spares.open(Deadlines()):
                pass
        wall.is_broken = False
        with spares.open(Deadlines()) as worker:
            assert ask(worker) == 1.0
        spares.close()
        assert wall.closed == wall.opened
        with spares.open(Deadlines()) as worker:
            assert ask(worker) == 1.0
