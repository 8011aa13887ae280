"""The batch keeps within its memory: it is seen what all take, and which job takes most."""

import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from processes import children_of, until

from grader.batch import memory
from grader.batch.memory import Running, Watch, affordable_jobs, budget_of
from grader.batch.processes import Tree, private_bytes, share_of

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
        assert 64 * MIB < tree_bytes(large) < 200 * MIB
        both = {small: [small], large: [large]}
        # Files that another process of the tests shares with this one may become its own meanwhile.
        until(lambda: greediest_of(both, taken() + 16 * MIB) is None)
        assert greediest_of(both, 32 * MIB) == large
        assert greediest_of({small: [small]}, 32 * MIB) == small, "the only one goes as well"
        assert greediest_of({}, 32 * MIB) is None


def tree_bytes(pid: int) -> int:
    return sum(private_bytes(one) for one, _ in Tree(pid).look())


def taken() -> int:
    """What a watch sees at first, whatever else was imported here: files count as well."""
    look = memory._Look({}, Tree(os.getpid()))
    return memory._CloseLook(look).at_most(look)


def greediest_of(running: Running, most: int) -> int | None:
    return watching(most, running).greediest(running)


def watching(most: int, running: Running) -> Watch:
    return Watch(most + memory._KEPT_FREE, lambda: running, lambda pid: None)


GROWS = """
import os, sys
held = bytearray(b"1" * (100 << 20))
print(flush=True)
for line in sys.stdin:
    more = bytearray(b"2" * (80 << 20)) if line == "itself\\n" else b""
    if line == "a fork\\n":
        if os.fork():
            continue
        more = bytearray(b"3" * (80 << 20))
    print(flush=True)
"""


@pytest.mark.parametrize("which", ["itself", "a fork"])
def test_what_grows_between_two_close_looks_is_seen(
    which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    never_look_closely(monkeypatch)
    monkeypatch.setattr(memory, "_FORESEEN_S", 0.0)
    with growing() as process:
        running = {process.pid: [process.pid]}
        watch = watching(taken() + 50 * MIB, running)
        assert watch.greediest(running) is None
        grow(process, which)
        assert watch.greediest(running) == process.pid


def test_one_that_fills_memory_has_to_go_while_there_is_room_and_may_stay_when_it_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    never_look_closely(monkeypatch)
    monkeypatch.setattr(memory, "_FORESEEN_S", 60.0)
    with growing() as process:
        running = {process.pid: [process.pid]}
        watch = watching(taken() + 400 * MIB, running)
        assert watch.greediest(running) is None
        grow(process, "itself")
        assert watch.greediest(running) == process.pid
        assert watch.greediest(running) is None


def never_look_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_LOOK_CLOSELY_EVERY_S", math.inf)


@contextmanager
def growing() -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", GROWS]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline()
        yield process


def grow(process: "subprocess.Popen[str]", which: str) -> None:
    assert process.stdin is not None and process.stdout is not None
    print(which, file=process.stdin, flush=True)
    assert process.stdout.readline()


def test_the_workers_of_one_that_has_to_go_are_stopped_and_its_templates_are_not() -> None:
    with holding(1) as job, holding(1) as template:
        (worker,) = children_of(template)
        running = {job: [job, template]}
        told: list[int] = []
        with Watch(1, lambda: running if not told else {}, told.append):
            until(lambda: state(worker) == "T")
        assert told == [job]
        assert "T" not in {state(pid) for pid in (job, template, *children_of(job))}
        os.kill(worker, signal.SIGCONT)


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


FORKS = """
import os, sys
shared = bytearray(b"1" * (300 << 20))
for own in (1, 80):
    if os.fork() == 0:
        if os.fork() == 0:  # a template that was lent, and its worker
            mine = bytearray(b"2" * (own << 20))
        os.write(1, f"{os.getpid()} {os.getppid()}\\n".encode())  # whole, whoever else writes
        sys.stdin.readline()
        os._exit(0)
sys.stdin.readline()
"""


@contextmanager
def lent_twice() -> Iterator[list[int]]:
    """A template that was forked for two jobs; the worker of the second has 80 MiB of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        pairs = [list(map(int, process.stdout.readline().split())) for _ in range(4)]
        lent = sorted(pid for pid, parent in pairs if parent == process.pid)
        assert len(lent) == 2
        yield lent
        process.communicate("\n" * 5)


def test_what_forks_share_counts_once_and_what_they_have_counts_for_each() -> None:
    with lent_twice() as lent, holding(1) as one, holding(1) as other:
        running = {one: [one, lent[0]], other: [other, lent[1]]}
        until(lambda: greediest_of(running, taken() + 16 * MIB) is None)
        assert greediest_of(running, 200 * MIB) == other


def test_what_a_process_has_for_itself_is_told_from_what_it_shares() -> None:
    with lent_twice() as lent:
        small, large = sorted(share_of(children_of(one)[0]).own for one in lent)
        assert small < 40 * MIB and 80 * MIB < large < 120 * MIB
        for own, proportional in map(share_of, lent):
            assert own < 40 * MIB < proportional < 100 * MIB, "five have the 300 MiB"


def test_a_template_that_is_nobodys_any_more_does_not_seem_to_grow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    never_look_closely(monkeypatch)
    monkeypatch.setattr(memory, "_FORESEEN_S", 60.0)
    with lent_twice() as lent, holding(1) as one, holding(1) as other:
        both = {one: [one, lent[0]], other: [other, lent[1]]}
        watch = watching(taken() + 1024 * MIB, both)
        until(lambda: watch.greediest(both) is None)
        assert watch.greediest({one: both[one]}) is None


def test_a_process_that_is_gone_takes_nothing() -> None:
    with holding(1) as pid:
        pass
    assert tree_bytes(pid) == 0


@pytest.mark.parametrize(("gibibytes", "jobs"), [(1, 1), (2.1, 2), (2.6, 3), (100, 4)])
def test_jobs_fit_into_memory_and_cores(
    monkeypatch: pytest.MonkeyPatch, gibibytes: float, jobs: int
) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: int(gibibytes * 2**30))
    monkeypatch.setattr(memory.os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    assert affordable_jobs() == jobs
    assert budget_of(jobs) >= 2 << 30


def test_available_memory_is_read() -> None:
    assert 64 * MIB < memory.available_bytes() < 1 << 50
