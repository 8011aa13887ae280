"""Limit what one worker process may use, by rlimits.

The worker cannot fork, so limits of one process are limits of the submission. They cannot be raised
again: the filter refuses to set limits, and CAP_SYS_RESOURCE is gone.

RLIMIT_AS is not set where RLIMIT_DATA is held: JAX reserves address space by the number of cores
(thread stacks, malloc arenas; 1.9 GiB on 2 cores with 0.6 GiB in use), so it bounds little. gVisor
of 2022 holds a process to nothing else, and to a container's limit only by killing it.

RLIMIT_DATA counts private memory that is writable now. Memory that was filled and then made
read-only leaves the count (600 MiB held under a limit of 300 MiB, measured on 6.18); the JIT and
the dynamic loader need mprotect, so the filter cannot stop that. It bounds mistakes exactly and
hostile memory not at all: that takes a cgroup, or a judge that watches the resident set in
/proc/PID/statm, which stays readable for an undumpable worker.

60 cold eager calls of the reference, each of a new shape up to 42x40, need 1.4 GiB (jax 0.10.2): a
data limit of 1.4 GiB fails, 2 GiB does not.
"""

import errno
import mmap
import os
import resource
from contextlib import suppress
from dataclasses import dataclass

_MAY_BE_MISSING = frozenset(
    (resource.RLIMIT_MSGQUEUE, resource.RLIMIT_MEMLOCK, resource.RLIMIT_CORE)
)
"""gVisor of 2022 knows only some limits; what these three bound, the filter refuses as well."""
_MAPPED_BYTES, _RESERVED_PER_CORE_BYTES = 1 << 30, 256 << 20
"""Address space of JAX that is no data: 1.25 GiB on 2 cores (jax 0.10.2), of that 0.9 libraries."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker may use.

    Args:
        data_bytes: writable private memory, heap and thread stacks included; None for no limit.
        cpu_s: processor seconds of all threads; SIGXCPU at the limit, SIGKILL one second later;
            None for no limit.
        file_bytes: size to which a file may grow by writing: caps the log, an inherited file.
        open_files: highest descriptor + 1.
        processes: threads of this uid on the whole machine, or None for no limit. The kernel
            does not hold uid 0 to it.
        stack_bytes: the main thread's stack, which RLIMIT_DATA does not count.
    """

    data_bytes: int | None = 2 << 30
    cpu_s: int | None = 300
    file_bytes: int = 1 << 20
    open_files: int = 256
    processes: int | None = None
    stack_bytes: int = 8 << 20


def apply(limits: Limits) -> None:
    """Set every limit, soft and hard, never above what this process was given.

    Raises:
        OSError, ValueError: the kernel refused a limit that the wall relies on.
    """
    wanted = {
        resource.RLIMIT_CORE: (0, 0),  # a dump writes the worker's memory wherever the host says
        resource.RLIMIT_MSGQUEUE: (0, 0),
        resource.RLIMIT_MEMLOCK: (0, 0),
        resource.RLIMIT_FSIZE: (limits.file_bytes, limits.file_bytes),
        resource.RLIMIT_NOFILE: (limits.open_files, limits.open_files),
        resource.RLIMIT_STACK: (limits.stack_bytes, limits.stack_bytes),
    }
    if limits.data_bytes is not None:
        wanted[resource.RLIMIT_DATA] = (limits.data_bytes, limits.data_bytes)
    if limits.cpu_s is not None:
        # One second apart: SIGXCPU names the cause, SIGKILL ends who ignores it.
        wanted[resource.RLIMIT_CPU] = (limits.cpu_s, limits.cpu_s + 1)
    if limits.processes is not None:
        wanted[resource.RLIMIT_NPROC] = (limits.processes, limits.processes)
    for kind, (soft, hard) in wanted.items():
        _lower(kind, soft, hard)
    _go_first()


def _go_first() -> None:
    """Have the kernel kill this process, and never the judge, when a container runs out of memory.

    Where /proc is not mounted there are namespaces, and no container's limit around both.
    """
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")


def is_data_limited() -> bool:
    """Whether the kernel holds this process to RLIMIT_DATA; gVisor of 2022 does not."""
    limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
    if limit == resource.RLIM_INFINITY:
        return False
    try:
        mmap.mmap(-1, limit + mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError as error:
        return error.errno == errno.ENOMEM
    return False


def limit_addresses(data_bytes: int) -> None:
    """Bound the whole address space, where RLIMIT_DATA is not held, so that JAX still fits in."""
    most = data_bytes + _MAPPED_BYTES + (os.cpu_count() or 1) * _RESERVED_PER_CORE_BYTES
    _lower(resource.RLIMIT_AS, most, most)


def _lower(kind: int, soft: int, hard: int) -> None:
    given = resource.getrlimit(kind)[1]
    if given != resource.RLIM_INFINITY:
        soft, hard = min(soft, given), min(hard, given)
    try:
        resource.setrlimit(kind, (soft, hard))
    except (OSError, ValueError):
        if kind not in _MAY_BE_MISSING:
            raise
