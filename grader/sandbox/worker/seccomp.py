"""Assemble and install the seccomp filter: what a confined worker may still ask of the kernel.

The filter is classic BPF over `struct seccomp_data` {nr, arch, instruction pointer, 6 arguments of
64 bits}, read in halves of 32 bits. It is a chain of "if this, answer that" pairs: no jump crosses
more than one answer, except the one that skips a call's whole rule. Both architectures are little
endian.

A refused call fails with EPERM, so that a library can fall back and a student sees an exception.
Only a call made through a foreign ABI, which no honest program makes, kills the process. A kernel
that cannot (gVisor of 2022 ends the calling thread alone, and the others keep the judge waiting)
refuses it with SIGSYS, which ends a process that does not expect it.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Sequence

from . import syscalls

ALLOW = 0x7FFF0000
KILL = 0x80000000  # the process, not the thread
TRAP = 0x00030000  # SIGSYS
ERRNO = 0x00050000
REFUSE = ERRNO | errno.EPERM

_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT = 0x15, 0x35, 0x45

Instruction = tuple[int, int, int, int]
"""code, instructions to skip when true, when false, constant."""

# pthread_create of glibc: CLONE_ VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, SETTLS, PARENT_SETTID,
# CHILD_CLEARTID. Compared as a whole: no namespace, vfork, ptrace or pidfd flag passes.
THREAD_FLAGS = 0x003D0F00
# fork() of glibc and musl: CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID, SIGCHLD.
FORK_FLAGS = 0x01200011
CLONE_THREAD = 0x10000
# MAP_ SHARED, PRIVATE, FIXED, ANONYMOUS, DENYWRITE, EXECUTABLE, NORESERVE, POPULATE, NONBLOCK,
# STACK, FIXED_NOREPLACE. Missing on purpose: GROWSDOWN (counts as stack) and HUGETLB (counts
# nowhere), both past RLIMIT_DATA; LOCKED; DROPPABLE; SYNC; whatever comes next.
MAP_FLAGS = 0x0013D833
MAP_SHARED, MAP_ANONYMOUS, PROT_WRITE = 0x01, 0x20, 0x2
# WAIT, WAKE, REQUEUE, CMP_REQUEUE, WAKE_OP, WAIT_BITSET, WAKE_BITSET. The priority-inheriting ones
# were the way into kernels more than once (CVE-2014-3153), and nothing here uses them.
FUTEXES = (0, 1, 3, 4, 5, 9, 10)
FUTEX_COMMAND = 0x7F  # without FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME
# NORMAL, RANDOM, SEQUENTIAL, WILLNEED, DONTNEED, FREE, HUGEPAGE, NOHUGEPAGE, DONTDUMP, DODUMP,
# GUARD_INSTALL, GUARD_REMOVE (thread stacks of glibc 2.42). Not MERGEABLE: merged pages tell what
# another process holds; not COLD and PAGEOUT: they evict the files that everyone reads.
ADVICE = (0, 1, 2, 3, 4, 8, 14, 15, 16, 17, 102, 103)
# TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX: isatty() and descriptor flags. TIOCSTI
# would type into the judge's terminal.
IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# F_DUPFD, GETFD, SETFD, GETFL, SETFL, DUPFD_CLOEXEC. Locks and leases would be a channel from one
# submission to another; F_SETOWN sends signals; F_SETPIPE_SZ takes kernel memory.
FCNTLS = (0, 1, 2, 3, 4, 1030)
# GET_DUMPABLE, SET_NAME, GET_NAME, CAPBSET_READ, GET_NO_NEW_PRIVS, and SET_VMA by which allocators
# name their memory. SET_DUMPABLE, SET_PDEATHSIG and SET_MM would undo the wall.
PRCTLS = (3, 15, 16, 23, 39, 0x53564D41)

PR_SET_NO_NEW_PRIVS = 38
SECCOMP_SET_MODE_FILTER = 1
SECCOMP_GET_ACTION_AVAIL = 2
SECCOMP_FILTER_FLAG_TSYNC = 1


def assemble(machine: str, pid: int, *, template: bool = False, foreign: int = KILL) -> bytes:
    """Assemble the filter as an array of `struct sock_filter`.

    Args:
        machine: `x86_64` or `aarch64`; need not be this machine.
        pid: the process's own id, in its own pid namespace.
        template: allow as well what a template needs to fork workers and they to lock themselves
            down. It never runs a submission's code; each fork puts the whole filter on top.
        foreign: the answer to calls through a foreign ABI.

    Raises:
        OSError: the architecture is not known.
    """
    numbers = syscalls.table(machine)
    program = _architecture(machine, foreign)
    rules = _conditional(pid) | (_of_template() if template else {})
    for name, rule in rules.items():
        if name in numbers:
            program += [(_IF_EQUAL, 0, len(rule), numbers[name]), *rule]
    for name in syscalls.ALLOWED:
        if name in numbers:
            program += _if_equal(numbers[name], ALLOW)
    program.append(_answer(REFUSE))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


def install(*, template: bool = False) -> int:
    """Confine every thread of this process for good; filters add up, the strictest answer counts.

    Args:
        template: see assemble().

    Returns:
        the number of system calls that a worker, or a worker forked from here, can still make.

    Raises:
        OSError: the kernel, or an outer filter, refused; or a thread could not be confined.
    """
    machine = platform.machine()
    program = assemble(machine, os.getpid(), template=template, foreign=_to_foreign())
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    syscalls.prctl(PR_SET_NO_NEW_PRIVS, 1)  # else installing a filter takes a privilege
    stray = syscalls.call("seccomp", SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, header)
    if stray:  # TSYNC answers the id of a thread that runs under another filter
        raise OSError(errno.EPERM, f"seccomp: thread {stray} could not be confined")
    return len((set(syscalls.ALLOWED) | set(_conditional(0))) & set(syscalls.table()) - {"clone3"})


def _to_foreign() -> int:
    """Ask the kernel whether it can kill a whole process; else the next best answer."""
    try:
        syscalls.call("seccomp", SECCOMP_GET_ACTION_AVAIL, 0, struct.pack("I", KILL))
    except OSError:
        return TRAP
    return KILL


def _architecture(machine: str, foreign: int) -> list[Instruction]:
    """Kill foreign calls: an i386 or arm number means another call than the tables say."""
    known = _unless_equal(syscalls.AUDIT_ARCH.get(machine, 0), foreign)
    program = [_load(4), *known, _load(0)]
    if machine == "x86_64":  # x32 shares AUDIT_ARCH_X86_64 and sets bit 30 of the number
        program += [(_IF_AT_LEAST, 0, 1, 0x40000000), _answer(foreign)]
    return program


def _conditional(pid: int) -> dict[str, list[Instruction]]:
    """Return the rule of each call whose arguments decide; the busiest first."""
    return {
        "futex": _one_of(1, FUTEXES, mask=FUTEX_COMMAND),
        "mmap": _mmap(),
        "madvise": _one_of(2, ADVICE),
        "clone": _clone(THREAD_FLAGS),
        # Its flags lie behind a pointer, which a filter cannot read. ENOSYS makes glibc use clone.
        "clone3": [_answer(ERRNO | errno.ENOSYS)],
        "ioctl": _one_of(1, IOCTLS),
        "fcntl": _one_of(1, FCNTLS),
        "prctl": _one_of(0, PRCTLS),
        # abort() signals itself. The judge may run under the same uid: no other process.
        "tgkill": _one_of(0, (pid,)),
        "prlimit64": _prlimit(pid),
    }


def _one_of(index: int, values: Sequence[int], mask: int | None = None) -> list[Instruction]:
    """Allow a call when its argument is one of `values`.

    The low half is enough here: the kernel declares each of these arguments as `int` or `unsigned
    int` and drops the high half itself, so nothing hides there.
    """
    rule = [_load_low(index)]
    if mask is not None:
        rule.append((_AND, 0, 0, mask))
    for value in values:
        rule += _if_equal(value, ALLOW)
    return [*rule, _answer(REFUSE)]


def _of_template() -> dict[str, list[Instruction]]:
    """Return the rules of a template that differ from a worker's."""
    return {
        "clone": _clone(THREAD_FLAGS, FORK_FLAGS),
        "unshare": _one_of(0, (CLONE_THREAD,)),  # asks whether there are threads; does nothing
        **{name: [_answer(ALLOW)] for name in syscalls.FOR_FORKING},
    }


def _clone(*allowed: int) -> list[Instruction]:
    """Allow a thread, refuse a process. The flags are 64 bits: both halves are compared."""
    rule = [_load_high(0), *_unless_equal(0, REFUSE), _load_low(0)]
    for flags in allowed:
        rule += _if_equal(flags, ALLOW)
    return [*rule, _answer(REFUSE)]


def _mmap() -> list[Instruction]:
    """Allow private memory and shared reading; refuse memory that RLIMIT_DATA does not count.

    Shared memory counts nowhere: refused when anonymous or writable. A file opened for reading
    cannot be made writable later, mprotect asks how it was opened. `flags` and `prot` are 64 bits
    in the kernel, so their high halves must be zero, whatever they may mean one day.
    """
    return [
        _load_high(3),
        *_unless_equal(0, REFUSE),
        _load_high(2),
        *_unless_equal(0, REFUSE),
        _load_low(3),
        *_if_any_bit(~MAP_FLAGS & 0xFFFFFFFF, REFUSE),
        *_unless_any_bit(MAP_SHARED, ALLOW),
        *_if_any_bit(MAP_ANONYMOUS, REFUSE),
        _load_low(2),
        *_if_any_bit(PROT_WRITE, REFUSE),
        _answer(ALLOW),
    ]


def _prlimit(pid: int) -> list[Instruction]:
    """Allow reading one's own limits; setting needs a pointer, so both its halves must be zero."""
    return [
        _load_low(2),
        *_unless_equal(0, REFUSE),
        _load_high(2),
        *_unless_equal(0, REFUSE),
        *_one_of(0, (0, pid)),
    ]


def _load(offset: int) -> Instruction:
    return (_LOAD, 0, 0, offset)


def _load_low(index: int) -> Instruction:
    return _load(16 + 8 * index)


def _load_high(index: int) -> Instruction:
    return _load(20 + 8 * index)


def _answer(verdict: int) -> Instruction:
    return (_RETURN, 0, 0, verdict)


def _if_equal(value: int, verdict: int) -> list[Instruction]:
    return [(_IF_EQUAL, 0, 1, value), _answer(verdict)]


def _unless_equal(value: int, verdict: int) -> list[Instruction]:
    return [(_IF_EQUAL, 1, 0, value), _answer(verdict)]


def _if_any_bit(bits: int, verdict: int) -> list[Instruction]:
    return [(_IF_ANY_BIT, 0, 1, bits), _answer(verdict)]


def _unless_any_bit(bits: int, verdict: int) -> list[Instruction]:
    return [(_IF_ANY_BIT, 1, 0, bits), _answer(verdict)]
