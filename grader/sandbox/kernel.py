"""Ask the kernel whether it has what the worker's lock-down needs."""

import os
import signal

from grader.sandbox.worker import landlock, syscalls

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4


def become_undumpable() -> None:
    """Close this process's memory to every other process of the same user: it knows the answers."""
    syscalls.prctl(_PR_SET_DUMPABLE, 0)


def die_with_parent(parent: int) -> None:
    """Have the kernel end this process when the one that started it ends, however that happens.

    Args:
        parent: the process that started this one; when it is gone already, no signal would come,
            and this process ends at once.
    """
    syscalls.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def lockdown_problem() -> str | None:
    """Say which layer of the lock-down is missing and how to get it; None when all are there."""
    try:
        syscalls.table()
        landlock.version()
    except OSError as error:
        return error.strerror or str(error)
    return None
