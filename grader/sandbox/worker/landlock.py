"""Confine this process to reading named files, by Landlock: no privilege, no namespace needed.

Everything the running kernel's Landlock can handle is handled, and nothing is granted except
reading files and listing folders below the given paths, and /dev/null. So writing, creating,
removing, renaming, truncating, device ioctls (ABI 5), TCP (ABI 4), abstract sockets and signals to
processes outside (ABI 6) are refused; seccomp refuses most of them a second time. Landlock also
stops ptrace(2) and /proc/PID/mem of every process outside, which uid alone would not.

Not covered: names, sizes and times of files, because stat(2) and readlink(2) are not checked.
"""

import errno
import os
import stat
import struct
from collections.abc import Sequence

from . import syscalls

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3

_FILE_RIGHTS_BITS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""Bits of LANDLOCK_ACCESS_FS_* by ABI: 2 adds refer, 3 truncate, 5 ioctl_dev."""
_NET_BIND_AND_CONNECT_TCP = 0b11  # from ABI 4
_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11  # from ABI 6

EXECUTE_ONLY = struct.pack("=Q", EXECUTE)
"""A right that the outer domain grants nobody: refusing it once more changes nothing."""
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

_REPAIR = {
    errno.ENOSYS: "the kernel has no Landlock (Linux 5.13 or newer, CONFIG_SECURITY_LANDLOCK)",
    errno.EOPNOTSUPP: "Landlock is off: add landlock to the kernel's lsm= boot option",
    errno.EPERM: "a container's seccomp profile refuses Landlock: update Docker or its profile",
}


def version() -> int:
    """Return the Landlock ABI of the running kernel.

    Raises:
        OSError: Landlock is missing; the text says why and what repairs it.
    """
    try:
        return syscalls.call("landlock_create_ruleset", None, 0, _CREATE_RULESET_VERSION)
    except OSError as error:
        code = error.errno or errno.ENOSYS
        raise OSError(code, _REPAIR.get(code, f"Landlock: {os.strerror(code)}")) from error


def restrict(readable: Sequence[str]) -> int:
    """Confine the calling thread, and all it starts, to reading the given files and folders.

    Other threads that already run stay free: call it while there is one. Paths that are missing, or
    that this uid cannot reach, are skipped: they could not be read anyway.

    Args:
        readable: files, or folders with all below them; links are followed once, now.

    Returns:
        the Landlock ABI that was used.

    Raises:
        OSError: Landlock is missing, or the kernel refused.
    """
    abi = version()
    ruleset = syscalls.call("landlock_create_ruleset", *_handled(abi), 0)
    try:
        for path in readable:
            _grant(ruleset, path, READ_FILE | READ_DIR)
        _grant(ruleset, "/dev/null", READ_FILE | WRITE_FILE)
        syscalls.prctl(_PR_SET_NO_NEW_PRIVS, 1)  # the kernel demands it of the unprivileged
        syscalls.call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)
    return abi


def set_apart() -> None:
    """Enter a domain of one's own inside the present one, which stays as narrow as it is.

    Processes of one domain may trace and signal each other as far as Landlock is concerned; those
    of two that lie side by side, as two forks of one template do, may not. Nor may a fork reach its
    template, which stays outside.

    Raises:
        OSError: the kernel refused.
    """
    rights, size = _handled(version())
    ruleset = syscalls.call("landlock_create_ruleset", EXECUTE_ONLY + rights[8:], size, 0)
    try:
        syscalls.call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def _handled(abi: int) -> tuple[bytes, int]:
    """Return `struct landlock_ruleset_attr` and its size, as long as this ABI knows it."""
    rights = (1 << _FILE_RIGHTS_BITS[min(abi, 5)]) - 1
    fields = [rights]
    if abi >= 4:
        fields.append(_NET_BIND_AND_CONNECT_TCP)
    if abi >= 6:
        fields.append(_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS)
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    return attributes, len(attributes)


def _grant(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= ~READ_DIR  # the kernel answers EINVAL to a folder's right on a file
        rule = struct.pack("=Qi", rights, descriptor)
        syscalls.call("landlock_add_rule", ruleset, _RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)
