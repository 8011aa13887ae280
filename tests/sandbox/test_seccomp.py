"""The assembled filter, run by a small BPF interpreter, answers as promised on both machines."""

import errno

import pytest
from bpf import CONDITIONAL, REFUSE, answer

from grader.sandbox.worker import seccomp, syscalls

PID = 4242
MACHINES = tuple(syscalls.AUDIT_ARCH)
HIGH = 1 << 32
PRIVATE, SHARED, ANONYMOUS = 2, 1, 0x20

# call, arguments, verdict: each rule is seen accepting and refusing.
CASES = [
    ("clone", (0x3D0F00,), seccomp.ALLOW),
    ("clone", (17,), REFUSE),  # fork
    ("clone", (0x4111,), REFUSE),  # vfork
    ("clone", (0x3D0F00 | 0x10000000,), REFUSE),  # a thread in a new user namespace
    ("clone", (0x3D0F00 | 0x2000,), REFUSE),  # CLONE_PTRACE
    ("clone", (0x3D0F00 | HIGH,), REFUSE),
    ("clone3", (), 0x00050000 | errno.ENOSYS),
    ("ioctl", (0, 0x5401), seccomp.ALLOW),
    ("ioctl", (0, 0x5412), REFUSE),  # TIOCSTI
    ("fcntl", (0, 1030), seccomp.ALLOW),
    ("fcntl", (0, 6), REFUSE),  # F_SETLK
    ("fcntl", (0, 37), REFUSE),  # F_OFD_SETLK
    ("fcntl", (0, 1024), REFUSE),  # F_SETLEASE
    ("fcntl", (0, 1031), REFUSE),  # F_SETPIPE_SZ
    ("futex", (0, 0x189), seccomp.ALLOW),  # WAIT_BITSET, private, realtime clock
    ("futex", (0, 0x80 | 6), REFUSE),  # LOCK_PI
    ("futex", (0, 12), REFUSE),  # CMP_REQUEUE_PI
    ("madvise", (0, 0, 4), seccomp.ALLOW),
    ("madvise", (0, 0, 12), REFUSE),  # MERGEABLE
    ("madvise", (0, 0, 100), REFUSE),  # HWPOISON
    ("mmap", (0, 0, 3, PRIVATE | ANONYMOUS), seccomp.ALLOW),
    ("mmap", (0, 0, 5, PRIVATE | 0x810), seccomp.ALLOW),  # a library's code
    ("mmap", (0, 0, 1, SHARED), seccomp.ALLOW),  # reading a file
    ("mmap", (0, 0, 3, SHARED), REFUSE),
    ("mmap", (0, 0, 3, 3), REFUSE),  # SHARED_VALIDATE
    ("mmap", (0, 0, 1, SHARED | ANONYMOUS), REFUSE),
    ("mmap", (0, 0, 3, PRIVATE | ANONYMOUS | 0x100), REFUSE),  # GROWSDOWN
    ("mmap", (0, 0, 3, PRIVATE | ANONYMOUS | 0x40000), REFUSE),  # HUGETLB
    ("mmap", (0, 0, 3, ANONYMOUS | 8), REFUSE),  # DROPPABLE
    ("mmap", (0, 0, 3, PRIVATE | ANONYMOUS | HIGH), REFUSE),
    ("mmap", (0, 0, 3 | HIGH, PRIVATE | ANONYMOUS), REFUSE),
    ("prctl", (15,), seccomp.ALLOW),
    ("prctl", (0x53564D41,), seccomp.ALLOW),
    ("prctl", (1,), REFUSE),  # PR_SET_PDEATHSIG
    ("prctl", (4,), REFUSE),  # PR_SET_DUMPABLE
    ("prctl", (22,), REFUSE),  # PR_SET_SECCOMP
    ("prctl", (35,), REFUSE),  # PR_SET_MM
    ("prlimit64", (0, 7, 0), seccomp.ALLOW),
    ("prlimit64", (PID, 7, 0), seccomp.ALLOW),
    ("prlimit64", (PID + 1, 7, 0), REFUSE),
    ("prlimit64", (0, 7, 0x1000), REFUSE),
    ("prlimit64", (0, 7, HIGH), REFUSE),
    ("tgkill", (PID, PID, 6), seccomp.ALLOW),
    ("tgkill", (1, 1, 9), REFUSE),
]


def _ask(machine: str, name: str, arguments: tuple[int, ...] = ()) -> int:
    program = seccomp.assemble(machine, PID)
    return answer(program, syscalls.AUDIT_ARCH[machine], syscalls.table(machine)[name], arguments)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_listed_call_is_allowed(machine: str) -> None:
    names = set(syscalls.ALLOWED) & set(syscalls.table(machine))
    assert {name for name in names if _ask(machine, name) == seccomp.ALLOW} == names


@pytest.mark.parametrize("machine", MACHINES)
def test_every_other_named_call_is_refused(machine: str) -> None:
    names = set(syscalls.table(machine)) - set(syscalls.ALLOWED) - set(CONDITIONAL)
    assert {"execve", "socket", "ptrace", "io_uring_setup", "kill", "memfd_create"} <= names
    assert {name for name in names if _ask(machine, name) == REFUSE} == names


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_that_no_table_names_are_refused(machine: str) -> None:
    program, arch = seccomp.assemble(machine, PID), syscalls.AUDIT_ARCH[machine]
    known = set(syscalls.table(machine).values())
    assert {answer(program, arch, n) for n in range(1024) if n not in known} == {REFUSE}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("name", "arguments", "verdict"), CASES)
def test_arguments_decide(
    machine: str, name: str, arguments: tuple[int, ...], verdict: int
) -> None:
    assert _ask(machine, name, arguments) == verdict


FORK = 0x01200011

TEMPLATE_CASES = [
    ("clone", (FORK,), seccomp.ALLOW),
    ("clone", (0x3D0F00,), seccomp.ALLOW),  # a thread
    ("clone", (0x4111,), REFUSE),  # vfork
    ("clone", (FORK | 0x10000000,), REFUSE),  # a fork in a new user namespace
    ("clone", (FORK | HIGH,), REFUSE),
    ("unshare", (0x10000,), seccomp.ALLOW),  # CLONE_THREAD: asks whether there are threads
    ("unshare", (0x10000000,), REFUSE),
    ("prctl", (1, 9), seccomp.ALLOW),  # PR_SET_PDEATHSIG
]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("name", "arguments", "verdict"), TEMPLATE_CASES)
def test_template_may_fork_and_no_more(
    machine: str, name: str, arguments: tuple[int, ...], verdict: int
) -> None:
    program = seccomp.assemble(machine, PID, template=True)
    arch, number = syscalls.AUDIT_ARCH[machine], syscalls.table(machine)[name]
    assert answer(program, arch, number, arguments) == verdict


@pytest.mark.parametrize("machine", MACHINES)
def test_template_is_refused_what_forking_does_not_need(machine: str) -> None:
    program, arch = seccomp.assemble(machine, PID, template=True), syscalls.AUDIT_ARCH[machine]
    allowed = {*syscalls.ALLOWED, *syscalls.FOR_FORKING, *CONDITIONAL, "unshare"}
    others = {name: n for name, n in syscalls.table(machine).items() if name not in allowed}
    assert {"execve", "socket", "kill", "ptrace", "process_vm_readv", "setns"} <= set(others)
    assert {answer(program, arch, number) for number in others.values()} == {REFUSE}


@pytest.mark.parametrize("machine", MACHINES)
def test_worker_is_refused_again_what_its_template_may(machine: str) -> None:
    """Filters add up: the kernel takes the strictest answer."""
    again = set(syscalls.FOR_FORKING) - set(CONDITIONAL)
    assert {_ask(machine, name) for name in again} == {REFUSE}
    assert _ask(machine, "clone", (FORK,)) == REFUSE


@pytest.mark.parametrize("machine", MACHINES)
def test_foreign_architectures_are_killed(machine: str) -> None:
    program = seccomp.assemble(machine, PID)
    foreign = {0x40000003, 0x40000028, *syscalls.AUDIT_ARCH.values()}  # i386, arm
    foreign.remove(syscalls.AUDIT_ARCH[machine])
    assert {answer(program, arch, 0) for arch in foreign} == {seccomp.KILL}


def test_x32_is_killed() -> None:
    program, arch = seccomp.assemble("x86_64", PID), syscalls.AUDIT_ARCH["x86_64"]
    assert answer(program, arch, 0x40000000) == seccomp.KILL
    assert answer(program, arch, 0x40000000 | 59) == seccomp.KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_a_kernel_that_cannot_kill_a_process_refuses_with_a_signal(machine: str) -> None:
    program = seccomp.assemble(machine, PID, foreign=seccomp.TRAP)
    native = syscalls.AUDIT_ARCH[machine]
    assert answer(program, 0x40000003, 0) == seccomp.TRAP
    assert answer(program, native, syscalls.table(machine)["getpid"]) == seccomp.ALLOW
    if machine == "x86_64":
        assert answer(program, native, 0x40000000 | 39) == seccomp.TRAP


def test_the_kernel_is_asked_whether_it_can_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seccomp._to_foreign() == seccomp.KILL

    def refuse(*_: object) -> int:
        raise OSError(errno.EINVAL, "as gVisor answers")

    monkeypatch.setattr(syscalls, "call", refuse)
    assert seccomp._to_foreign() == seccomp.TRAP


@pytest.mark.parametrize("machine", MACHINES)
def test_filter_fits_the_kernels_limit(machine: str) -> None:
    assert len(seccomp.assemble(machine, PID)) // 8 <= 4096
