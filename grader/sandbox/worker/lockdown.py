"""Lock the worker down from within, before it imports anything that a submission could bend.

Each layer is a request that a process may make about itself, so none needs a privilege, and none
can be taken back. Landlock without seccomp leaves fork, exec and odd sockets; seccomp without
Landlock leaves /proc/PARENT/mem and every readable file; together they hold even when worker and
judge share a uid. The worker must still be single-threaded: Landlock binds the calling thread and
its children.
"""

import ctypes
import errno
import os
import struct
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from . import landlock, root, seccomp, syscalls
from .limits import Limits, apply, is_data_limited, limit_addresses

MACHINE_FACTS = ("/proc/cpuinfo", "/sys/devices/system/cpu", "/dev/urandom")
"""Always readable. Without /proc/cpuinfo XLA's YNNPACK kernels answer "unsupported parameter": with
jax 0.10.2 the reference itself fails at 32x32 pixels. A wall that has no /proc must bind it."""
INSTEAD = " instead of "
"""In a layer's name: the launcher's own, instead of one that this kernel lacks."""

_PR_SET_PDEATHSIG, _SIGKILL = 1, 9
_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4
_PR_CAPBSET_READ, _PR_CAPBSET_DROP = 23, 24
_PR_SET_SECUREBITS = 28
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_NO_ROOT_EVER = 0xEF
"""SECBIT_ NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE, each with its lock, and KEEP_CAPS_LOCKED:
uid 0 gives no capability any more."""
_CAPABILITY_VERSION_3 = struct.pack("=Ii", 0x20080522, 0)
_LARGEST_CAPABILITY = 64
_CLONE_THREAD = 0x10000


@dataclass(frozen=True, slots=True)
class Confinement:
    """What was done, in order, in words for the report."""

    layers: tuple[str, ...]


def lock_down(
    *,
    keep_fds: Collection[int],
    readable: Sequence[str],
    limits: Limits,
    supplied: Collection[str] = (),
    own_root: str = "",
    template: bool = False,
) -> Confinement:
    """Confine this process for good; it may compute, read `readable` and use `keep_fds`.

    Args:
        keep_fds: descriptors to keep besides 0, 1 and 2.
        readable: files and folders that may be read, besides MACHINE_FACTS; all else, writing
            included, is refused.
        limits: what may be used.
        supplied: layers that the launcher answers for itself, so that the kernel may lack them:
            "memory", a limit around the whole container. gVisor does not hold to RLIMIT_DATA.
        own_root: a folder that holds nothing but what may be read; a kernel that lacks Landlock,
            as gVisor, confines the process to it. See root.py.
        template: leave open what a process needs to fork workers; see lock_down_fork().

    Returns:
        the layers that hold now.

    Raises:
        OSError: a layer could not be built. The process is then half confined: end it.
        RuntimeError: other threads run already; they would stay free.
    """
    require_single_thread()  # first: everything below is built on it
    has_landlock = _has_landlock(own_root)
    return Confinement(
        layers=(
            _close_all_but(keep_fds),  # before the limits: some may lie above RLIMIT_NOFILE
            _limit(limits, supplied),
            *(() if has_landlock else (_change_root(own_root),)),  # lends capabilities
            _drop_capabilities(),  # after the limits: it gives up CAP_SYS_RESOURCE for good
            _die_with_parent(),  # these two after it: a change of credentials may reset them
            _become_undumpable(),
            _renounce_privileges(),  # before Landlock and seccomp, which demand it
            # It opens the paths as who will read them.
            *((_restrict_files(readable),) if has_landlock else ()),
            _filter_calls(template=template),  # last: it refuses all of the above
        )
    )


def lock_down_fork(
    *, keep_fds: Collection[int], limits: Limits, inherited: Confinement
) -> Confinement:
    """Confine a fork of a template as a worker is confined that was started by itself.

    What a process cannot shed was inherited: the empty capability sets, no_new_privs, Landlock's
    readable files, being undumpable. All but the readable files is asked for, and checked, again.

    Args:
        keep_fds: descriptors to keep besides 0, 1 and 2.
        limits: what may be used.
        inherited: the template's own confinement.

    Returns:
        the layers that hold now, in the words of lock_down().

    Raises:
        OSError: a layer could not be built. The process is then half confined: end it.
    """
    files = next(layer for layer in inherited.layers if layer.startswith("landlock"))
    return Confinement(
        layers=(
            _close_all_but(keep_fds),
            _limit(limits, ()),
            _drop_capabilities(),
            _die_with_parent(),
            _become_undumpable(),
            _renounce_privileges(),
            _set_apart(files),
            _filter_calls(),
        )
    )


def set_template_apart(*, keep_fds: Collection[int]) -> None:
    """Confine a fork of a template that goes on as a template: all else it has inherited.

    Args:
        keep_fds: descriptors to keep besides 0, 1 and 2.

    Raises:
        OSError: a layer could not be built; end this process.
    """
    _close_all_but(keep_fds)
    _die_with_parent()
    _become_undumpable()


def require_single_thread() -> None:
    """Make sure that no other thread runs, native ones included.

    Raises:
        RuntimeError: another thread runs.
    """
    try:
        threads = len(os.listdir("/proc/self/task"))
    except OSError:  # no /proc, as under bubblewrap
        threads = max(threading.active_count(), 2 if _kernel_sees_threads() else 1)
    if threads != 1:
        raise RuntimeError(f"{threads} threads run already: lock down before importing anything")


def _kernel_sees_threads() -> bool:
    """Ask by unshare(CLONE_THREAD): it does nothing, and is EINVAL when there are threads."""
    try:
        syscalls.call("unshare", _CLONE_THREAD)
    except OSError as error:
        return error.errno == errno.EINVAL
    return False


def _close_all_but(keep_fds: Collection[int]) -> str:
    """Close what was inherited: a descriptor is a right that no later layer takes away."""
    kept = sorted({0, 1, 2, *keep_fds})
    for low, high in zip(kept, [*kept[1:], 0xFFFFFFFF], strict=True):
        if low + 1 < high:
            _close_between(low + 1, high - 1)
    return "descriptors " + ",".join(map(str, kept))


def _close_between(first: int, last: int) -> None:
    try:
        syscalls.call("close_range", first, last, 0)
    except OSError:  # gVisor, or an old Docker profile; descriptors above 2**20 need root's consent
        os.closerange(first, min(last + 1, 1 << 20))


def _limit(wanted: Limits, supplied: Collection[str]) -> str:
    apply(wanted)
    if wanted.data_bytes is None or is_data_limited():  # a template: its forks are limited
        return "rlimits"
    if "memory" not in supplied:
        raise OSError(errno.ENOSYS, "this kernel does not hold a process to RLIMIT_DATA")
    limit_addresses(wanted.data_bytes)
    return f"rlimits, RLIMIT_AS and the container's memory limit{INSTEAD}RLIMIT_DATA"


def _drop_capabilities() -> str:
    """Drop every capability from every set, where there are any; then look.

    As root the worker keeps uid 0 and owns root's files, but has no power over anyone else's.
    """
    for capability in range(_LARGEST_CAPABILITY):
        try:
            if syscalls.prctl(_PR_CAPBSET_READ, capability):
                syscalls.prctl(_PR_CAPBSET_DROP, capability)
        except OSError:  # not ours to drop (no CAP_SETPCAP), or past the kernel's last one
            break
    for option, argument in (
        (_PR_SET_SECUREBITS, _NO_ROOT_EVER),
        (_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL),
    ):
        try:
            syscalls.prctl(option, argument)
        except (
            OSError
        ):  # without CAP_SETPCAP there is nothing to lock; without exec nothing to gain
            continue
    syscalls.call("capset", _CAPABILITY_VERSION_3, bytes(24))  # emptying needs no right
    if any(_capabilities()):
        raise OSError(errno.EPERM, "capabilities could not be dropped")
    return "no capabilities"


def _capabilities() -> bytes:
    """Return the effective, permitted and inheritable sets as the kernel tells them."""
    sets = ctypes.create_string_buffer(24)
    syscalls.call("capget", _CAPABILITY_VERSION_3, sets)
    return sets.raw


def _die_with_parent() -> str:
    """Have the kernel kill this process when the thread that started it ends."""
    if os.getpid() == 1:  # a container's first process: its parent is some thread of the runtime
        return "pid 1"
    parent = os.getppid()
    syscalls.prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    # The parent may have ended just before the request; then no signal will ever come. One that
    # ended earlier still is seen as the end of the worker's stdin. Under bubblewrap 1 is alive.
    if os.getppid() != parent:
        os._exit(1)
    return "dies with its parent"


def _become_undumpable() -> str:
    """Refuse attaching and core dumps, and hand /proc/self to root."""
    syscalls.prctl(_PR_SET_DUMPABLE, 0)
    if syscalls.prctl(_PR_GET_DUMPABLE):
        raise OSError(errno.EPERM, "still dumpable")
    return "undumpable"


def _renounce_privileges() -> str:
    syscalls.prctl(_PR_SET_NO_NEW_PRIVS, 1)
    return "no_new_privs"


def _has_landlock(own_root: str) -> bool:
    """Whether the kernel can restrict files; that it cannot matters where nothing stands for it."""
    try:
        landlock.version()
    except OSError:
        if not own_root:
            raise
        return False
    return True


def _change_root(own_root: str) -> str:
    root.enter(own_root, [path for path in MACHINE_FACTS if not path.startswith("/dev/")])
    return f"root of its own{INSTEAD}landlock"


def _restrict_files(readable: Sequence[str]) -> str:
    return f"landlock abi {landlock.restrict([*readable, *MACHINE_FACTS])}"


def _set_apart(files: str) -> str:
    landlock.set_apart()
    return files


def _filter_calls(*, template: bool = False) -> str:
    return f"seccomp {seccomp.install(template=template)} syscalls"
