"""Ask the kernel whether it has what the worker's lock-down needs."""

from grader.sandbox.worker import landlock, syscalls


def lockdown_problem() -> str | None:
    """Say which layer of the lock-down is missing and how to get it; None when all are there."""
    try:
        syscalls.table()
        landlock.version()
    except OSError as error:
        return error.strerror or str(error)
    return None
