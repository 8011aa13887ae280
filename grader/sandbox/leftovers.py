"""Mark containers with the judge that made them, and remove those whose judge is dead.

A judge that is killed cannot tidy up: its workers end (see worker/guard.py), but their containers
stay, stopped. The next judge on the same machine removes them. What a live judge owns stays, and
so does what another machine's judge owns, unless it was made long ago and has stopped.
"""

import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

LABEL = "org.nnx-grader.judge"
_LONG_S = 3600
_logger = logging.getLogger("grader")


def owner() -> str:
    """Name this process for ever: machine and boot, pid namespace, pid, start time."""
    return f"{_here()}:{os.getpid()}:{_started(os.getpid())}"


def sweep(client: Any) -> int:
    """Remove the containers of dead judges; return how many."""
    from docker.errors import APIError

    removed = 0
    for found in client.api.containers(all=True, filters={"label": LABEL}):
        if not is_left(found["Labels"][LABEL], found["State"], found["Created"]):
            continue
        with suppress(APIError):  # another judge sweeps at this moment
            client.api.remove_container(found["Id"], force=True, v=True)
            removed += 1
    if removed:
        _logger.info("removed %d containers of judges that are dead", removed)
    return removed


def is_left(label: str, state: str, created_s: float) -> bool:
    """Whether nobody will come back for a container.

    Args:
        label: what owner() said when it was made.
        state: in Docker's words.
        created_s: when it was made, seconds since 1970.
    """
    try:
        here, pid, started = label.rsplit(":", 2)
        if here == _here():
            return _is_gone(int(pid), started)
    except ValueError:  # not a label of ours
        return False
    return state != "running" and time.time() - created_s > _LONG_S


def _here() -> str:
    """Name this boot of this machine and this pid namespace: pids mean nothing elsewhere."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}:{Path('/proc/self/ns/pid').stat().st_ino}"


def _is_gone(pid: int, started: str) -> bool:
    """Whether a process has ended; one that cannot be looked at has not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's, but there
        pass
    # hidepid and ProtectProc= hide live processes, of the same user too: no entry says nothing.
    return _started(pid) not in (started, "")


def _started(pid: int) -> str:
    """Return when a process started, in the kernel's ticks; "" when that cannot be read."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
