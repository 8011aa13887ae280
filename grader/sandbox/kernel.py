"""Ask the kernel whether it has what the worker's lock-down needs."""

import signal

from grader.sandbox.worker import landlock, syscalls

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4


def become_undumpable() -> None:
    """Close this process's memory to every other process of the same user: it knows the answers."""
    syscalls.prctl(_PR_SET_DUMPABLE, 0)


def die_with_parent() -> None:
    """Have the kernel end this process when the one that started it ends, however that happens."""
    syscalls.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def lockdown_problem() -> str | None:
    """Say which layer of the lock-down is missing and how to get it; None when all are there."""
    try:
        syscalls.table()
        landlock.version()
    except OSError as error:
        return error.strerror or str(error)
    return None
