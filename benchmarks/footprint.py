"""Run a command and measure all of its processes together: CPU seconds, memory, wall clock."""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from grader.batch.processes import Tree, proportional_bytes, read

EVERY_S = 0.1
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


class _Seen:
    """What was seen of a process and all below it."""

    def __init__(self, first: int) -> None:
        self._first = first
        self.cpu: dict[tuple[int, bytes], float] = {}
        self._faults: dict[tuple[int, bytes], int] = {}
        self.peak_bytes = self.peak_of_first = self._at_most = 0
        self.ended = threading.Event()

    @property
    def cpu_s(self) -> float:
        """CPU seconds, each process by its own account."""
        return sum(self.cpu.values())

    def watch(self) -> None:
        """Look every EVERY_S until the end."""
        tree = Tree(self._first)
        while not self.ended.wait(EVERY_S):
            pids = [pid for pid, _ in tree.look()]
            faults = 0
            for pid in pids:
                with suppress(OSError, ValueError, IndexError):
                    fields = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
                    key = pid, fields[19]  # a number may be given again; its start time is not
                    self.cpu[key] = (int(fields[11]) + int(fields[12])) / _TICK
                    so_far = int(fields[7]) + int(fields[9])
                    faults += so_far - self._faults.get(key, 0)
                    self._faults[key] = so_far
                    if pid == self._first:
                        self.peak_of_first = _peak(pid) or self.peak_of_first
            self._look_at_memory(pids, faults)

    def _look_at_memory(self, pids: Sequence[int], faults: int) -> None:
        """Tell shared pages apart where there may be a new peak: that takes 5 ms a process.

        A page that one of them comes to have, or to have for itself, is a fault. Looking whenever
        sizes had changed took 62 of 585 s from a batch of two jobs, and from one job nothing.
        """
        self._at_most += faults * _PAGE_BYTES
        if self._at_most > self.peak_bytes:
            self._at_most = sum(map(proportional_bytes, pids))
            self.peak_bytes = max(self.peak_bytes, self._at_most)


def _peak(pid: int) -> int:
    """Return the largest resident set so far in bytes; what wait4 tells is the children's too."""
    words = read(f"/proc/{pid}/status").partition(b"VmHWM:")[2].split(maxsplit=1)
    return int(words[0]) << 10 if words else 0
