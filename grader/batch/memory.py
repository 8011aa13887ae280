"""Find how many jobs this machine's memory can bear."""

import os
from pathlib import Path

_OF_A_JOB = 1 << 30
"""Measured on the first exercise: judge 0.1 GiB, worker 0.4, an oracle that stays below 0.6."""
_OF_THE_WORST_WORKER = 2 << 30
"""What the wall lets one submission take before it is stopped; rarely more than one at a time."""
_CGROUP = Path("/sys/fs/cgroup")


def affordable_jobs() -> int:
    """Return as many jobs as there are cores, or fewer where memory would run out; at least 1."""
    cores = len(os.sched_getaffinity(0))
    return max(1, min(cores, (available_bytes() - _OF_THE_WORST_WORKER) // _OF_A_JOB))


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
