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
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from grader.batch.processes import Tree, added_bytes, private_bytes, share_of

_OF_ALL = 1 << 30
_OF_A_JOB = 1 << 29
"""Measured on the first exercise: the command and the templates that all jobs share 0.5 GiB; of
each job the judge 0.1, the oracle 0.2 to 0.3, and a worker's own pages 0.02 to 0.35."""
_LEAST_BUDGET = 2 << 30
_LOOK_EVERY_S = 0.05
_LOOK_CLOSELY_EVERY_S = 1.0
"""Telling shared pages apart costs the kernel 5 ms a process, sizes and faults 0.1. Close looks
every second took 0.1 of a core; what is taken at most needs one only when it seems too much."""
_KEPT_FREE = 1 << 26
_FORESEEN_S = 0.2
"""Seconds of growing on as it did since the last look for which there must be room. A submission
that fills memory takes 1.4 GiB a second, so it is stopped 0.3 GiB before the end; usual ones take
0.1, so two jobs that grade those may come much nearer: they take 1.2 to 1.6 GiB together."""
_FILES = 5 << 25
"""Pages of libraries, which all share."""
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


class _Look:
    """What this process and all below it take at one moment, at most, from sizes and faults alone.

    A fork shares the pages of its template until it writes to them, and each first write is a
    fault.

    Args:
        tree: of this process.
        known: processes that the templates of jobs were seen to be forked from. One that is being
            forked for a job, or outlives its job, is nobody's; taken for a process of its own it
            seemed to grow by 0.3 GiB at once, and a usual submission was sent away for it.

    Attributes:
        pids: who they are.
        bytes: of all of them together.
        of_each: bytes of those who may be sent away.
        origins: what is known of them by now.
    """

    def __init__(self, running: Running, tree: Tree, known: frozenset[int] = frozenset()) -> None:
        self.at_s = time.monotonic()
        owners = {root: one for one, roots in running.items() for root in roots}
        forks = {root for _, *templates in running.values() for root in templates}
        lent, origins = frozenset(forks), set(known)
        self._taken: dict[int, int] = {}
        self.of_each = dict.fromkeys(running, 0)
        for pid, parent in tree.look():
            if pid in lent:
                origins.add(parent)
            if parent in forks or parent in origins:
                forks.add(pid)
            owner = owners.setdefault(pid, owners.get(parent, 0))
            taken = added_bytes(pid, parent) if pid in forks else private_bytes(pid)
            self._taken[pid] = taken
            if owner:
                self.of_each[owner] += taken
        self.pids = self._taken.keys()
        self.bytes = _FILES + sum(self._taken.values())
        self.origins = frozenset(origins)

    def grown_since(self, before: "_Look") -> int:
        """Return the bytes taken since an earlier look; what was given back counts as nothing."""
        of_each = ((now, before._taken.get(pid, 0)) for pid, now in self._taken.items())
        return sum(max(0, now - then) for now, then in of_each)


class _CloseLook:
    """What all of them take at the moment of a look, shared pages told apart."""

    def __init__(self, look: _Look) -> None:
        self.look = look
        self._bytes = sum(share_of(pid).proportional for pid in look.pids)

    def at_most(self, now: _Look) -> int:
        """Return what they can take by now."""
        return min(now.bytes, self._bytes + now.grown_since(self.look))


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
        self._tree = Tree(os.getpid())
        self._last = _Look({}, self._tree)
        self._close: _CloseLook | None = None
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
        last, now = self._last, _Look(running, self._tree, self._last.origins)
        self._last = now
        if not running:
            return None
        seconds = max(now.at_s - last.at_s, _LOOK_EVERY_S)
        room = self._most - now.grown_since(last) / seconds * _FORESEEN_S
        if self._at_most(now) <= room:
            return None
        if self._close is None or now.at_s - self._close.look.at_s > _LOOK_CLOSELY_EVERY_S:
            self._close = _CloseLook(now)
            if self._at_most(now) <= room:
                return None
        return max(now.of_each, key=now.of_each.__getitem__)

    def _at_most(self, now: _Look) -> int:
        return now.bytes if self._close is None else self._close.at_most(now)


def _stop_workers(roots: Sequence[int]) -> None:
    """Let what was forked from templates compute no more until it is ended.

    Not the templates: they are asked to see it end.
    """
    for template in roots[1:]:
        for pid, _ in Tree(template).look():
            if pid != template:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGSTOP)
