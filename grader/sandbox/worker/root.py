"""Leave all files behind but those that may be read, by a root of one's own: chroot(2).

For a kernel without Landlock, where anyone may make a user namespace: gVisor. The namespace lends
the right to change one's root; it goes with all other capabilities before the submission is read.
The new root is a folder that the image was given for this: Python, the libraries, the worker, the
compiled programs. It has no /proc, so no process, no memory and no mount can be found, and no /etc.

No way leads back: every descriptor that was inherited is closed, and chroot(2) and mount(2) are
refused, by the filter and for want of a capability.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from . import syscalls

FACTS = "facts"
"""Folder of the new root that belongs to the worker, in memory: a copy of what must be known of the
machine. /proc and /sys of the new root lead into it."""
_CLONE_NEWUSER = 0x10000000


def enter(root: str, facts: Sequence[str]) -> None:
    """Make a folder this process's root, for good.

    Args:
        root: the folder.
        facts: files and folders under /proc and /sys to take along.

    Raises:
        OSError: the kernel refused, or the folder is not as it should be.
    """
    kept = Path(root, FACTS)
    copies = {kept / path.lstrip("/"): Path(path) for path in facts}
    for copy, path in copies.items():
        _copy(path, copy)
    _close(kept, copies)
    syscalls.call("unshare", _CLONE_NEWUSER)
    syscalls.call("chroot", os.fsencode(root))
    os.chdir("/")


def _copy(path: Path, to: Path) -> None:
    if path.is_dir():
        for entry in path.iterdir():
            _copy(entry, to / entry.name)
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(path.read_bytes())


def _close(folder: Path, copies: Iterable[Path]) -> None:
    """Let nobody write there any more; chmod(2) is refused from now on, so not its owner either.

    What leads to the copies can be passed through, not listed.
    """
    listed = {path for copy in copies for path in (copy, *copy.rglob("*"))}
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o444 if path.is_file() else 0o555 if path in listed else 0o111)
