"""The system call tables agree with the kernel's own headers."""

import errno
import os
import re
from pathlib import Path

import pytest
from bpf import CONDITIONAL, REFUSE, answer

from grader.sandbox.worker import seccomp, syscalls

GENERIC = Path("/usr/include/asm-generic/unistd.h")
X86_64 = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
MACHINES = tuple(syscalls.AUDIT_ARCH)


def _header(path: Path) -> str:
    """Return a header of the kernel; without it the test skips on a laptop and fails in CI."""
    if path.exists():
        return path.read_text()
    problem = f"{path} is not installed (linux-libc-dev)"
    if os.environ.get("CI") == "true":
        pytest.fail(problem)
    pytest.skip(problem)


def _defined(path: Path) -> dict[str, int]:
    pattern = r"^#define __NR(?:3264)?_(\w+)\s+(\d+)"
    found = re.findall(pattern, _header(path), re.MULTILINE)
    numbers = {name: int(number) for name, number in found}
    # asm-generic numbers these two under the names of their 32-bit siblings.
    if path == GENERIC:
        numbers |= {"newfstatat": numbers["fstatat"], "fstat": numbers["fstat"]}
    return numbers


def test_x86_64_numbers_are_the_kernels() -> None:
    defined = _defined(X86_64)
    table = syscalls.table("x86_64")
    assert table == {name: defined.get(name) for name in table}


def test_aarch64_numbers_are_the_kernels() -> None:
    defined = _defined(GENERIC)
    table = syscalls.table("aarch64")
    assert table == {name: defined.get(name) for name in table}


def test_both_headers_are_large_enough_to_be_the_whole_table() -> None:
    assert len(_defined(X86_64)) > 350
    assert len(_defined(GENERIC)) > 300


@pytest.mark.parametrize(
    ("machine", "header"), [("x86_64", X86_64), ("aarch64", GENERIC)], ids=["x86_64", "aarch64"]
)
def test_assembled_filter_lets_through_just_the_named_calls(machine: str, header: Path) -> None:
    """Ask the program, not the table, about every number that the kernel's header defines."""
    program = seccomp.assemble(machine, 4242)
    arch = syscalls.AUDIT_ARCH[machine]
    names = {number: name for name, number in _defined(header).items()}
    answers = {number: answer(program, arch, number) for number in range(max(names) + 64)}
    allowed = {names[number] for number, said in answers.items() if said == seccomp.ALLOW}
    named = set(syscalls.ALLOWED) & set(syscalls.table(machine))
    # Asked with all arguments zero, these pass: reading a limit, asking a terminal for none, ...
    harmless = {name for name in CONDITIONAL if name in allowed}
    assert allowed == named | harmless
    assert not allowed & {"execve", "execveat", "fork", "vfork", "socket", "clone3", "ptrace"}
    unnamed = {number for number in answers if number not in names}
    assert {answers[number] for number in unnamed} <= {REFUSE}


def test_names_of_the_architectures_are_the_kernels() -> None:
    """AUDIT_ARCH_X is EM_X with the bits for 64-bit and little-endian."""
    machines = _header(Path("/usr/include/linux/elf-em.h"))
    audit = _header(Path("/usr/include/linux/audit.h"))
    for machine, name in (("x86_64", "X86_64"), ("aarch64", "AARCH64")):
        number = re.search(rf"#define EM_{name}\s+(\d+)", machines)
        assert number is not None
        assert f"AUDIT_ARCH_{name}\t(EM_{name}|__AUDIT_ARCH_64BIT|__AUDIT_ARCH_LE)" in audit
        assert syscalls.AUDIT_ARCH[machine] == int(number[1]) | 0x80000000 | 0x40000000


def test_names_absent_on_aarch64_are_the_legacy_ones() -> None:
    generic = _defined(GENERIC)
    missing = set(syscalls.table("x86_64")) - set(syscalls.table("aarch64"))
    assert not missing & set(generic)
    assert {"open", "stat", "access", "poll", "dup2", "fork", "arch_prctl"} <= missing


@pytest.mark.parametrize("machine", MACHINES)
def test_no_number_has_two_names(machine: str) -> None:
    numbers = list(syscalls.table(machine).values())
    assert len(numbers) == len(set(numbers))


def test_every_allowed_name_has_a_number_on_x86_64() -> None:
    assert set(syscalls.ALLOWED) <= set(syscalls.table("x86_64"))
    assert len(syscalls.ALLOWED) == len(set(syscalls.ALLOWED))


def test_unknown_architecture_is_refused_by_name() -> None:
    with pytest.raises(OSError, match="riscv64"):
        syscalls.table("riscv64")


def test_call_raises_what_the_kernel_answered() -> None:
    with pytest.raises(OSError, match="close") as caught:
        syscalls.call("close", -1)
    assert caught.value.errno == errno.EBADF


def test_call_of_a_missing_name_is_enosys() -> None:
    with pytest.raises(OSError, match="no_such_call") as caught:
        syscalls.call("no_such_call")
    assert caught.value.errno == errno.ENOSYS
