"""Keep a batch within a budget of memory, whatever the submissions do.

The wall lets one submission take 1.75 GiB before it is stopped, a usual one takes 0.4. So as many
jobs run as usual submissions fit, and when they take more together, the greediest is sent away, to
be graded again at the end with the machine to itself and without templates. That changes when it is
graded, never the verdict: what was sent away left no trace, and no limit of the wall is another one
in a batch.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_OF_ALL = 1 << 30
_OF_A_JOB = 1 << 29
"""Measured on the first exercise: the command and the templates that all jobs share 0.9 GiB; of
each job the judge 0.1, the oracle below 0.4, and a fork's own pages 0.1."""
_LEAST_BUDGET = 2 << 30
_LOOK_EVERY_S = 0.05
_LOOK_CLOSELY_EVERY_S = 5.0
_NEAR = 1 << 29
_LOOK_CLOSELY_WHEN_NEAR_EVERY_S = 1.0
"""Telling shared pages apart costs the kernel 5 ms a process, the size alone 0.1. A submission that
fills memory takes 0.1 GiB in as long as a close look takes: it is sent away by sizes alone."""
_KEPT_FREE = 1 << 26
_FORESEEN_S = 0.2
"""Seconds of growing on as it did since the last look for which there must be room. A submission
that fills memory takes 1.4 GiB a second, so it is stopped 0.3 GiB before the end; usual ones take
0.1, so two jobs that grade those may come much nearer: they take 1.4 to 1.8 GiB together."""
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
"""Those who may be sent away: process id, and the roots of all that belongs to it, itself first and
then the templates that its workers are forked from."""


class _Sizes:
    """What every process of a tree had resident at one moment."""

    def __init__(self, root: int) -> None:
        self.at_s = time.monotonic()
        self._parents = dict(_tree(root))
        self._bytes = {pid: private_bytes(pid) for pid in self._parents}

    def grown_since(self, before: "_Sizes") -> dict[int, int]:
        """Return by process what it has taken since; what it gave back counts as nothing."""
        found = {}
        for pid, size in self._bytes.items():
            first = before._bytes.get(pid)
            if first is None:  # a fork begins with its parent's pages
                first = self._bytes.get(self._parents[pid], 0)
            found[pid] = max(0, size - first)
        return found


class _Seen:
    """What every process took at one moment, shared pages told apart.

    What a fork changes of the pages that it shares, and the shares of those that ended, count from
    the next close look on.
    """

    def __init__(self, root: int) -> None:
        self.sizes = _Sizes(root)
        self._taken = {pid: proportional_bytes(pid) for pid, _ in _tree(root)}

    def and_since(self, now: _Sizes) -> dict[int, int]:
        """Return bytes by process: what was seen, and what its size has grown by."""
        grown = now.grown_since(self.sizes)
        return {pid: self._taken.get(pid, 0) + more for pid, more in grown.items()}


class Watch:
    """Looks at what this process and all below it take; says who has to go before it is too much.

    Their worker is stopped at once: to end it takes them longer than to fill what is left.

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
        self._most = budget_bytes - _KEPT_FREE
        self._running, self._send_away = running, send_away
        self._seen = _Seen(os.getpid())
        self._last = self._seen.sizes
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
            running = self._running()
            greediest = self.greediest(running)
            if greediest is not None:
                self._send_away(greediest)
                _stop_workers(running[greediest])

    def greediest(self, running: Running) -> int | None:
        """Return who has to go; None while everything fits, for a while to come."""
        last, self._last = self._last, _Sizes(os.getpid())
        if not running:
            return None
        grown = sum(self._last.grown_since(last).values())
        seconds = max(self._last.at_s - last.at_s, _LOOK_EVERY_S)
        room = self._most - grown / seconds * _FORESEEN_S
        taken = self._taken(room)
        if sum(taken.values()) <= room:
            return None
        of_each = {
            one: sum(taken.get(pid, 0) for root in roots for pid, _ in _tree(root))
            for one, roots in running.items()
        }
        return max(of_each, key=of_each.__getitem__)

    def _taken(self, room: float) -> dict[int, int]:
        """Return what every process takes; look closely where the last close look is too old."""
        taken = self._seen.and_since(self._last)
        is_near = sum(taken.values()) > room - _NEAR
        every_s = _LOOK_CLOSELY_WHEN_NEAR_EVERY_S if is_near else _LOOK_CLOSELY_EVERY_S
        if self._last.at_s - self._seen.sizes.at_s <= every_s:
            return taken
        self._seen = _Seen(os.getpid())
        return self._seen.and_since(self._last)


def _stop_workers(roots: Sequence[int]) -> None:
    """Let what was forked from templates compute no more until it is ended.

    Not the templates: they are asked to see it end.
    """
    for template in roots[1:]:
        for pid, _ in _tree(template):
            if pid != template:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGSTOP)


def tree_bytes(pid: int) -> int:
    """Return what a process and all below it take, see private_bytes."""
    return sum(private_bytes(one) for one, _ in _tree(pid))


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


def _tree(root: int) -> Iterator[tuple[int, int]]:
    """Yield a process and all below it, each with its parent; the root's is not asked for."""
    waiting = [(root, root)]
    while waiting:
        pid, parent = waiting.pop()
        yield pid, parent
        with suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                children = Path(f"/proc/{pid}/task/{task}/children").read_text()
                waiting += [(int(child), pid) for child in children.split()]
