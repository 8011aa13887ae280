"""Look at processes of this machine, as the kernel lists them, and wait for what they do."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PATIENCE_S = 120.0
"""How long anything may take that happens soon on an idle machine: no test measures speed."""


def until(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Wait until something is true; fail the test when it never is."""
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, f"it did not come true in {patience_s:.0f} s"
        time.sleep(0.02)


def children_of(pid: int) -> list[int]:
    """Return what any thread of a process started: the kernel lists children by thread."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # the thread ended between two looks
            found += map(int, path.read_text().split())
    return found


def descendants(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        found += children_of(one)
    return found[1:]


def command_of(pid: int) -> str:
    """Return the command line of a process; "" of one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def youngest() -> list[int]:
    """Return the process that was started last, a worker, after its parent, the template."""
    worker = max(descendants(os.getpid()), key=started)
    status = Path(f"/proc/{worker}/status").read_text()
    return [int(status.partition("PPid:")[2].split()[0]), worker]


def started(pid: int) -> int:
    """Return when a process was started, in clock ticks since boot."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
