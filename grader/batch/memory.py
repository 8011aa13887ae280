"""Keep a batch within a budget of memory, whatever the submissions do.

The wall lets one submission take 2 GiB before it is stopped, a usual one takes 0.4. So as many jobs
run as usual submissions fit, and when some take more together, the greediest is sent away, to be
graded again at the end with the machine to itself. That changes when it is graded, never the
verdict: what was sent away left no trace, and no limit of the wall is another one in a batch.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_OF_A_JOB = 3 << 29
"""Measured on the first exercise: judge 0.1 GiB, oracle below 0.5, a warm template 0.7 of which its
fork shares nearly all; a fresh worker takes 0.4 instead."""
_LEAST_BUDGET = 2 << 30
_LOOK_EVERY_S = 0.1
"""A submission that does nothing but fill memory takes about 0.2 GiB in that time."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_CGROUP = Path("/sys/fs/cgroup")


def affordable_jobs() -> int:
    """Return as many jobs as there are cores, or fewer where memory would run out; at least 1."""
    return max(1, min(len(os.sched_getaffinity(0)), available_bytes() // _OF_A_JOB))


def budget_of(jobs: int) -> int:
    """Return the bytes that all processes of so many jobs may take together."""
    return max(_LEAST_BUDGET, jobs * _OF_A_JOB)


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


class Watch:
    """Looks at what processes take, and says which of them is the greediest when it is too much.

    Args:
        running: names the processes that may be sent away, by process id.
        send_away: is told of one of them.
    """

    def __init__(
        self,
        budget_bytes: int,
        running: Callable[[], Iterable[int]],
        send_away: Callable[[int], None],
    ) -> None:
        self._budget, self._running, self._send_away = budget_bytes, running, send_away
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
        own = private_bytes(os.getpid())
        if own + sum(map(tree_bytes, self._running())) <= self._budget:
            return None
        # Pages that a fork shares were counted for each: count them once, which takes longer.
        exact = {pid: tree_bytes(pid, proportional_bytes) for pid in self._running()}
        if len(exact) < 2 or own + sum(exact.values()) <= self._budget:
            return None
        return max(exact, key=exact.__getitem__)


def tree_bytes(pid: int, measure: Callable[[int], int] | None = None) -> int:
    """Return what a process and all below it take; private_bytes unless told otherwise."""
    return sum(map(measure or private_bytes, _tree(pid)))


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
