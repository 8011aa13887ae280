"""The batch keeps within its memory: the greediest job is found, and only where others are left."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from grader.batch import memory
from grader.batch.memory import Watch, affordable_jobs, budget_of, private_bytes, tree_bytes

MIB = 1 << 20


@contextmanager
def holding(mebibytes: int) -> Iterator[int]:
    """A process whose child holds so much memory."""
    child = f"x = b'1' * ({mebibytes} << 20); print(len(x), flush=True); input()"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdout.readline()
        yield process.pid
        process.communicate(b"\n")


def test_the_greediest_tree_is_named_when_it_is_too_much_and_not_before() -> None:
    with ExitStack() as opened:
        small, large = (opened.enter_context(holding(size)) for size in (8, 64))
        own = private_bytes(memory.os.getpid())
        both = tree_bytes(small) + tree_bytes(large)
        assert 64 * MIB < tree_bytes(large) < 200 * MIB
        seen: list[int] = []
        roomy = Watch(own + both + 64 * MIB, lambda: [small, large], seen.append)
        assert roomy.greediest() is None
        assert Watch(32 * MIB, lambda: [small, large], seen.append).greediest() == large
        assert Watch(32 * MIB, lambda: [large], seen.append).greediest() is None


def test_a_process_that_is_gone_takes_nothing() -> None:
    with holding(1) as pid:
        pass
    assert tree_bytes(pid) == 0


@pytest.mark.parametrize(("gibibytes", "jobs"), [(1, 1), (3.5, 2), (5, 3), (100, 4)])
def test_jobs_fit_into_memory_and_cores(
    monkeypatch: pytest.MonkeyPatch, gibibytes: float, jobs: int
) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: int(gibibytes * 2**30))
    monkeypatch.setattr(memory.os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    assert affordable_jobs() == jobs
    assert budget_of(jobs) >= 2 << 30


def test_available_memory_is_read() -> None:
    assert 64 * MIB < memory.available_bytes() < 1 << 50
