"""Keep a batch within a budget of memory, whatever the submissions do.

The wall lets one submission take 1.5 GiB before it is stopped, a usual one takes 0.4. So as many
jobs run as usual submissions fit, and when some take more together, the greediest is sent away, to
be graded again at the end with the machine to itself. That changes when it is graded, never the
verdict: what was sent away left no trace, and no limit of the wall is another one in a batch.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_OF_ALL = 1 << 30
_OF_A_JOB = 1 << 29
"""Measured on the first exercise: the command and the templates that all jobs share 0.9 GiB; of
each job the judge 0.1, the oracle below 0.4, and a fork's own pages 0.1."""
_LEAST_BUDGET = 2 << 30
_LOOK_EVERY_S = 0.1
_GROWN_MEANWHILE = 1 << 28
"""A submission that does nothing but fill memory takes about 0.2 GiB between two looks."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_CGROUP = Path("/sys/fs/cgroup")


def affordable_jobs() -> int:
    """Return as many jobs as there are cores, or fewer where memory would run out; at least 1."""
    affordable = (available_bytes() - _OF_ALL) // _OF_A_JOB
    return max(1, min(len(os.sched_getaffinity(0)), affordable))


def budget_of(jobs: int) -> int:
    """Return the bytes that all processes of so many jobs may take together."""
    return max(_LEAST_BUDGET, _OF_ALL + jobs * _OF_A_JOB)


def available_bytes() -> int:
    """Return the memory that new processes could take: the machine's, or the container's."""
    words = Path("/proc/meminfo").read_text().partition("MemAvailable:")[2].split(maxsplit=1)
    machine = int(words[0]) << 10
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
    except (OSError, ValueError):  # no limit of ours to read
        return machine
    return machine if limit == "max" else min(machine, int(limit) - used)


Running = Mapping[int, Sequence[int]]
"""Those who may be sent away: process id, and the roots of all that belongs to it. The first root
is itself; each other one is a fork of something that all share, as are all below it."""


class Watch:
    """Looks at what this process and all below it take, and says who has to go when it is too much.

    Args:
        budget_bytes: for all of them together.
        running: who may be sent away.
        send_away: is told of one of them.
    """

    def __init__(
        self,
        budget_bytes: int,
        running: Callable[[], Running],
        send_away: Callable[[int], None],
    ) -> None:
        self._most = budget_bytes - _GROWN_MEANWHILE
        self._running, self._send_away = running, send_away
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_S):
            greediest = self.greediest()
            if greediest is not None:
                self._send_away(greediest)

    def greediest(self) -> int | None:
        """Return who has to go; None while everything fits, or where nobody else would be left."""
        running = self._running()
        if len(running) < 2 or self._roughly(running) <= self._most:
            return None
        everything = {pid: proportional_bytes(pid) for pid in _tree(os.getpid())}
        if sum(everything.values()) <= self._most:
            return None
        taken = {
            one: sum(everything.get(pid, 0) for root in roots for pid in _tree(root))
            for one, roots in running.items()
        }
        return max(taken, key=taken.__getitem__)

    def _roughly(self, running: Running) -> int:
        """Return what all take: quickly, and without what a fork has changed of shared pages."""
        everything = set(_tree(os.getpid()))
        total = 0
        for _, *forks in running.values():
            for fork in forks:
                below = set(_tree(fork))
                everything -= below
                shared = private_bytes(fork)
                total += sum(max(0, private_bytes(pid) - shared) for pid in below)
        return total + sum(map(private_bytes, everything))


def tree_bytes(pid: int) -> int:
    """Return what a process and all below it take, see private_bytes."""
    return sum(map(private_bytes, _tree(pid)))


def private_bytes(pid: int) -> int:
    """Return resident memory that is no file's; 0 for a process that is gone."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()
        return (int(pages[1]) - int(pages[2])) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0


def proportional_bytes(pid: int) -> int:
    """Return resident memory, a page that several share in equal parts."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(text.partition("\nPss:")[2].split(maxsplit=1)[0]) << 10
    except (OSError, IndexError):  # it belongs to another user, or is gone
        return private_bytes(pid)


def _tree(pid: int) -> Iterator[int]:
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        yield one
        with suppress(OSError):
            for task in os.listdir(f"/proc/{one}/task"):
                children = Path(f"/proc/{one}/task/{task}/children").read_text()
                waiting += map(int, children.split())
