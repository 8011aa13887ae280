"""Run a command and measure all of its processes together: CPU seconds, memory, wall clock."""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from grader.batch.processes import Tree, read, share_of

EVERY_S = 0.1
PRECISION_BYTES = 1 << 24
"""A peak of memory that is higher by less may be missed; one that fills it takes ten times as much
between two looks."""
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Footprint(NamedTuple):
    """What a command took.

    Attributes:
        cpu_s: of every process; one that lived for less than EVERY_S and was waited for by nobody
            of the command may be missing.
        peak_bytes: largest sum of the processes' proportional set sizes: a page that several share
            counts once. Where the kernel does not tell, resident without shared pages.
        peak_of_first: largest resident set of the command's own process.
    """

    code: int
    wall_s: float
    cpu_s: float
    peak_bytes: int
    peak_of_first: int
    processes: int


def run(command: Sequence[str], environment: Mapping[str, str]) -> Footprint:
    """Run a command to its end, silently.

    The kernel adds the time of children that were waited for to their parent's. A worker behind
    bubblewrap is killed with its namespace and counts nowhere, so processes are looked at as well.
    """
    start = time.monotonic()
    process = subprocess.Popen(
        command, env=dict(environment), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    seen = _Seen(process.pid)
    watcher = threading.Thread(target=seen.watch)
    watcher.start()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seen.ended.set()
    watcher.join()
    return Footprint(
        process.returncode,
        time.monotonic() - start,
        max(seen.cpu_s, usage.ru_utime + usage.ru_stime),
        seen.peak_bytes,
        seen.peak_of_first,
        len(seen.cpu),
    )


class _Key(NamedTuple):
    """A process: a number may be given again, its start time is not."""

    pid: int
    start: bytes


class _Seen:
    """What was seen of a process and all below it."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._memory = _Memory()
        self.cpu: dict[_Key, float] = {}
        self.peak_of_first = 0
        self.ended = threading.Event()

    @property
    def cpu_s(self) -> float:
        """CPU seconds, each process by its own account."""
        return sum(self.cpu.values())

    @property
    def peak_bytes(self) -> int:
        """The largest that all of them took together."""
        return self._memory.peak_bytes

    def watch(self) -> None:
        """Look every EVERY_S until the end."""
        tree = Tree(self._first)
        while not self.ended.wait(EVERY_S):
            sizes: dict[_Key, _Size] = {}
            for pid, _ in tree.look():
                with suppress(OSError, ValueError, IndexError):
                    fields = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
                    key = _Key(pid, fields[19])
                    self.cpu[key] = (int(fields[11]) + int(fields[12])) / _TICK
                    faults, resident = int(fields[7]) + int(fields[9]), int(fields[21])
                    sizes[key] = _Size(faults * _PAGE_BYTES, resident * _PAGE_BYTES)
                    if pid == self._first:
                        self.peak_of_first = _peak(pid) or self.peak_of_first
            self._memory.look(sizes)


class _Size(NamedTuple):
    """What the kernel tells at once, in bytes.

    Attributes:
        touched: pages that the process came to have, or to have for itself, one a fault.
        resident: pages that it has; a fault may bring several, of a file or a large array.
    """

    touched: int
    resident: int


class _Own(NamedTuple):
    """What a process had for itself when it was looked at."""

    then: _Size
    bytes: int

    def at_most(self, now: _Size) -> int:
        """Return the bytes that it can have by now."""
        return self.bytes + max(
            now.touched - self.then.touched, now.resident - self.then.resident, 0
        )


class _Memory:
    """The largest sum of proportional set sizes.

    Telling shared pages apart takes 5 ms a process, so that is done where there may be a new peak.
    What a process had for itself ends with it: where that was not seen, every few workers seemed to
    be a new peak, and looking took 0.03 of a core from a batch of two jobs.
    """

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._shared = 0
        self._own: dict[_Key, _Own] = {}

    def look(self, sizes: Mapping[_Key, _Size]) -> None:
        """Be told of all processes that there are."""
        self._own = {
            key: self._own.get(key) or _Own(size, size.touched) for key, size in sizes.items()
        }
        at_most = sum(own.at_most(sizes[key]) for key, own in self._own.items())
        if self._shared + at_most > self.peak_bytes + PRECISION_BYTES:
            self._look_closely(sizes)

    def _look_closely(self, sizes: Mapping[_Key, _Size]) -> None:
        shares = {key: share_of(key.pid) for key in sizes}
        taken = sum(share.proportional for share in shares.values())
        self._own = {key: _Own(sizes[key], share.own) for key, share in shares.items()}
        self._shared = taken - sum(share.own for share in shares.values())
        self.peak_bytes = max(self.peak_bytes, taken)


def _peak(pid: int) -> int:
    """Return the largest resident set so far in bytes; what wait4 tells is the children's too."""
    words = read(f"/proc/{pid}/status").partition(b"VmHWM:")[2].split(maxsplit=1)
    return int(words[0]) << 10 if words else 0
