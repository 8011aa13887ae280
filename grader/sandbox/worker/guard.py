"""Stand above the worker as a container's first process, and end it when it must end.

When a judge on the host is killed no signal reaches into its containers. What does reach them is
the end of the worker's stdin, but a worker in an endless loop does not read it. So the first
process forks the worker, before anything else, and only waits: for the hang-up or for the worker's
end. When the first process ends, the kernel kills all others. It also counts the worker's
threads: gVisor (2022) does not hold it to RLIMIT_NPROC, and its threads are not the host's to
count. It holds nothing that the worker does not.
"""

import os
import select
import signal
from typing import NoReturn

KILLED = 193
"""Exit code for a worker that SIGKILL ended. 128 + 9 is left to a guard that is killed itself: only
something outside the container can do that, so it is never the submission's doing."""
TOO_MANY_THREADS = 194
"""Exit code for a worker that was ended because it had too many threads."""
HUNG_UP = 195
"""Exit code for a worker that was ended because the judge hung up, or seemed to: the connection to
the container may end while both live on."""
_NOT_OURS = 255
"""What the exit codes above become when the worker itself ends with one: none can be forged. They
lie above 128 + 64, the last signal, so no signal gives one."""
_LOOK_EVERY_MS = 100


def fork_worker(most_threads: int) -> None:
    """Fork; return in the child, which becomes the worker. The parent never returns."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    before = signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # else no signal is delivered to wake us
    worker = os.fork()
    if worker != 0:
        _watch(worker, woken, most_threads)
    signal.set_wakeup_fd(before)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.close(woken)
    os.close(wake)


def _watch(worker: int, woken: int, most_threads: int) -> NoReturn:
    """Wait for the worker's end or the judge's; end with the worker's exit code."""
    # The worker alone holds what it writes to: its end must be the end of the stream.
    for descriptor in (1, 2):
        os.close(descriptor)
    events = select.poll()
    events.register(woken, select.POLLIN)
    events.register(0, 0)  # a hang-up is reported unasked; requests are the worker's to read
    while True:
        ready = [descriptor for descriptor, _ in events.poll(_LOOK_EVERY_MS)]
        ended, status = os.waitpid(worker, os.WNOHANG)
        if ended:
            os._exit(_exit_code(status))
        if 0 in ready:
            os._exit(HUNG_UP)
        if _threads(worker) > most_threads:
            os._exit(TOO_MANY_THREADS)
        if woken in ready:
            os.read(woken, 64)


def _threads(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/status", "rb") as file:  # its first line is a name of its choice
            return int(file.read().partition(b"\nThreads:")[2].split(maxsplit=1)[0])
    except (OSError, IndexError):  # it is ending
        return 0


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    code = 128 - code if code < 0 else code
    if code in (KILLED, TOO_MANY_THREADS, HUNG_UP):
        return _NOT_OURS
    return KILLED if code == 128 + signal.SIGKILL else code
