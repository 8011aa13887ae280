"""Look at processes of this machine, as the kernel lists them."""

from pathlib import Path


def children_of(pid: int) -> list[int]:
    """Return what any thread of a process started: the kernel lists children by thread."""
    lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(word) for one in lists for word in one.split()]


def descendants(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        found += children_of(one)
    return found[1:]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
