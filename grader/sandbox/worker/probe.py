"""Try, from inside the wall, everything that the wall promises to refuse.

`run` makes each attempt for real and reports what the kernel said. An attempt counts as refused
only when it fails with an errno that a wall gives; ECONNREFUSED, EFAULT or ESRCH mean that the
kernel went on to look, and are reported as allowed. No attempt harms the machine, but without a
wall some change the process that makes them (its user namespace, for one): make them in a process
to throw away.
"""

import errno
import fcntl
import mmap
import os
import resource
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from . import syscalls

_WALL = (errno.EPERM, errno.EACCES)
_PATH = (*_WALL, errno.EROFS, errno.ENOENT)  # in another mount namespace the path is not there
_MEMORY = (errno.EPERM, errno.ENOMEM)


@dataclass(frozen=True, slots=True)
class Target:
    """What the attempts aim at: a file that must stay secret, and the parent's process id."""

    secret_path: str
    parent_pid: int


@dataclass(frozen=True, slots=True)
class Probe:
    """One attempt: what is promised, how to break it, and which errnos keep the promise."""

    promise: str
    attempt: Callable[[Target], object]
    refusals: tuple[int, ...] = _WALL


def run(secret_path: str, parent_pid: int) -> list[dict[str, str]]:
    """Make every attempt and tell how it ended.

    Args:
        secret_path: an existing file, which the worker must not be able to read or find.
        parent_pid: a living process outside the wall, as it is called outside.

    Returns:
        one fact an attempt: `name`, `promise`, `outcome` (`refused` or `allowed`) and `detail`,
        the errno's name or what was obtained.
    """
    target = Target(secret_path, parent_pid)
    facts = []
    for name, probe in PROBES.items():
        outcome, detail = _outcome(probe, target)
        facts.append({"name": name, "promise": probe.promise, "outcome": outcome, "detail": detail})
    return facts


def _outcome(probe: Probe, target: Target) -> tuple[str, str]:
    try:
        obtained = probe.attempt(target)
    except MemoryError:
        return ("refused" if errno.ENOMEM in probe.refusals else "allowed"), "MemoryError"
    except OSError as error:
        code = error.errno or 0
        refused = code in probe.refusals
        return ("refused" if refused else "allowed"), errno.errorcode.get(code, str(error))
    return "allowed", repr(obtained)[:80]


def _read(target: Target) -> object:
    with open(target.secret_path, "rb") as file:
        return len(file.read(1))


def _open(path: str) -> Callable[[Target], object]:
    def attempt(_: Target) -> object:
        with open(path, "rb"):
            return "opened"

    return attempt


def _list(target: Target) -> object:
    return len(os.listdir(os.path.dirname(target.secret_path)))


def _write_in(folder: str) -> Callable[[Target], object]:
    def attempt(_: Target) -> object:
        path = Path(folder, f"probe-{os.urandom(8).hex()}")  # pids return, files stay
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with suppress(OSError):  # a filter refuses it; the file is there all the same
            path.unlink()
        return path

    return attempt


def _open_parents(name: str) -> Callable[[Target], object]:
    def attempt(target: Target) -> object:
        with open(f"/proc/{target.parent_pid}/{name}", "rb"):
            return "opened"

    return attempt


def _fork(_: Target) -> object:
    child = os.fork()
    if child == 0:
        os._exit(0)
    return os.waitpid(child, 0)


def _exec(_: Target) -> object:
    return os.execv("/nonexistent", ["probe"])  # ENOENT tells that it would have worked


def _socket(family: int, kind: int, address: object = None) -> Callable[[Target], object]:
    def attempt(_: Target) -> object:
        with socket.socket(family, kind) as made:
            made.settimeout(1)
            if address is not None:
                made.connect(address)  # type: ignore[arg-type]  # its type depends on the family
            return "connected" if address is not None else "created"

    return attempt


def _raw(name: str, *arguments: syscalls.Argument) -> Callable[[Target], object]:
    def attempt(_: Target) -> object:
        return syscalls.call(name, *arguments)

    return attempt


def _descriptor(name: str, *arguments: syscalls.Argument) -> Callable[[Target], object]:
    def attempt(_: Target) -> object:
        made = syscalls.call(name, *arguments)
        os.close(made)
        return f"descriptor {made}"

    return attempt


def _on_file(ask: Callable[[int], object]) -> Callable[[Target], object]:
    """Ask something of this very file, which the worker can certainly read."""

    def attempt(_: Target) -> object:
        with open(__file__, "rb") as file:
            return ask(file.fileno())

    return attempt


def _exceed_memory(_: Target) -> object:
    limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
    if limit == resource.RLIM_INFINITY:
        return "no limit"
    private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    with mmap.mmap(-1, limit + mmap.PAGESIZE, flags=private) as memory:
        return len(memory)


def _set_limit(_: Target) -> object:
    # Not resource.setrlimit: it reports EPERM as a ValueError.
    same = struct.pack("qq", *resource.getrlimit(resource.RLIMIT_CORE))
    return syscalls.call("prlimit64", 0, resource.RLIMIT_CORE, same, None)


def _chmod(target: Target) -> object:
    secret = Path(target.secret_path)
    secret.chmod(secret.stat().st_mode & 0o7777)
    return "changed"


_INET, _UNIX, _STREAM, _DATAGRAM = socket.AF_INET, socket.AF_UNIX, 1, 2
_NET = "no network"
_LOCAL = "no other process can be talked to"
_PROCESS = "no second process"
_READ = "only named files are read"
_WRITE = "nothing is written"
_OTHERS = "no other process is touched"
_COUNTED = "no memory past the limit"
_KERNEL = "no kernel interface beyond computing"
_STAYS = "the wall cannot be taken down"

PROBES: Mapping[str, Probe] = MappingProxyType(
    {
        "read_secret": Probe(_READ, _read, _PATH),
        "list_secret_folder": Probe(_READ, _list, _PATH),
        "read_system_file": Probe(_READ, _open("/etc/hostname"), _PATH),
        "read_own_memory": Probe(_READ, _open("/proc/self/mem"), _PATH),
        "list_processes": Probe(_READ, lambda _: len(os.listdir("/proc")), _PATH),
        "read_parent_memory": Probe(_READ, _open_parents("mem"), _PATH),
        "read_parent_environment": Probe(_READ, _open_parents("environ"), _PATH),
        "write_tmp": Probe(_WRITE, _write_in("/tmp"), _PATH),
        "write_shared_memory": Probe(_WRITE, _write_in("/dev/shm"), _PATH),
        "write_devices": Probe(_WRITE, _write_in("/dev"), _PATH),
        "write_cwd": Probe(_WRITE, _write_in("."), _PATH),
        "chmod_secret": Probe(_WRITE, _chmod, _PATH),
        "flock": Probe(_LOCAL, _on_file(lambda fd: fcntl.flock(fd, fcntl.LOCK_EX))),
        "record_lock": Probe(_LOCAL, _on_file(lambda fd: fcntl.lockf(fd, fcntl.LOCK_SH))),
        "lease": Probe(_LOCAL, _on_file(lambda fd: fcntl.fcntl(fd, fcntl.F_SETLEASE, 0))),
        "connect_tcp": Probe(_NET, _socket(_INET, _STREAM, ("127.0.0.1", 9))),
        "connect_udp": Probe(_NET, _socket(_INET, _DATAGRAM, ("127.0.0.1", 9))),
        "packet_socket": Probe(_NET, _socket(17, _DATAGRAM)),
        "netlink": Probe(_NET, _socket(16, 3)),
        "vsock": Probe(_NET, _socket(40, _STREAM)),
        "unix_socket": Probe(_LOCAL, _socket(_UNIX, _STREAM, "/run/probe")),
        "abstract_socket": Probe(_LOCAL, _socket(_UNIX, _STREAM, "\0probe")),
        "af_alg": Probe(_KERNEL, _socket(38, 5)),
        "shmget": Probe(_LOCAL, _raw("shmget", 0x4E585031, 0, 0)),
        "msgget": Probe(_LOCAL, _raw("msgget", 0x4E585031, 0)),
        "semget": Probe(_LOCAL, _raw("semget", 0x4E585031, 0, 0)),
        "mq_open": Probe(_LOCAL, _raw("mq_open", None, 0, 0, None)),
        "keyctl": Probe(_LOCAL, _raw("keyctl", 0, -2, 0)),
        "add_key": Probe(_LOCAL, _raw("add_key", b"user", b"probe", b"x", 1, -2)),
        "inotify": Probe(_LOCAL, _descriptor("inotify_init1", 0)),
        "fork": Probe(_PROCESS, _fork),
        "exec": Probe(_PROCESS, _exec),
        "kill_parent": Probe(_OTHERS, lambda target: os.kill(target.parent_pid, 0)),
        "kill_all": Probe(_OTHERS, lambda _: os.kill(-1, 0)),
        "tgkill_parent": Probe(
            _OTHERS, lambda t: syscalls.call("tgkill", t.parent_pid, t.parent_pid, 0)
        ),
        # PTRACE_SEIZE, not ATTACH: were it to succeed, the parent would not stop.
        "ptrace_parent": Probe(
            _OTHERS, lambda t: syscalls.call("ptrace", 0x4206, t.parent_pid, 0, 0)
        ),
        "process_vm_readv": Probe(
            _OTHERS, lambda t: syscalls.call("process_vm_readv", t.parent_pid, None, 0, None, 0, 0)
        ),
        "pidfd_open": Probe(
            _OTHERS, lambda t: os.close(syscalls.call("pidfd_open", t.parent_pid, 0))
        ),
        "limit_of_parent": Probe(_OTHERS, lambda t: resource.prlimit(t.parent_pid, 4)),
        "memory_over_limit": Probe(_COUNTED, _exceed_memory, _MEMORY),
        "shared_memory": Probe(_COUNTED, _raw("mmap", 0, mmap.PAGESIZE, 3, 0x21, -1, 0), _MEMORY),
        "memfd": Probe(_COUNTED, _descriptor("memfd_create", b"probe", 0)),
        "grow_stack": Probe(_COUNTED, _raw("mmap", 0, mmap.PAGESIZE, 3, 0x122, -1, 0)),
        "mremap": Probe(_COUNTED, _raw("mremap", 0, 0, 0, 0)),
        "pipe": Probe(_COUNTED, _raw("pipe2", None, 0)),
        "io_uring": Probe(_KERNEL, _raw("io_uring_setup", 1, None)),
        "userfaultfd": Probe(_KERNEL, _descriptor("userfaultfd", 1)),
        "perf_event_open": Probe(_KERNEL, _raw("perf_event_open", None, 0, -1, -1, 0)),
        "bpf": Probe(_KERNEL, _raw("bpf", 0, None, 0)),
        "splice": Probe(_KERNEL, _raw("splice", -1, None, -1, None, 0, 0)),
        "priority_futex": Probe(_KERNEL, _raw("futex", None, 6, 0, None)),
        "mount": Probe(_STAYS, _raw("mount", None, None, None, 0, None)),
        "chroot": Probe(_STAYS, _raw("chroot", b"/nonexistent")),
        "setns": Probe(_STAYS, _raw("setns", -1, 0)),
        "setuid": Probe(_STAYS, lambda _: os.setuid(os.getuid())),
        "set_limit": Probe(_STAYS, _set_limit),
        "become_dumpable": Probe(_STAYS, lambda _: syscalls.prctl(4, 1)),
        "outlive_parent": Probe(_STAYS, lambda _: syscalls.prctl(1, 0)),
        "user_namespace": Probe(_STAYS, _raw("unshare", 0x10000000)),  # last: it cannot be undone
    }
)
AT_ANOTHER = frozenset(
    name
    for name, probe in PROBES.items()
    if probe.promise == _OTHERS or name.startswith("read_parent_")
)
"""Attempts at the process whose id they are given."""
