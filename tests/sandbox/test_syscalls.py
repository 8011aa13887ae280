"""The system call tables agree with the kernel's own headers."""

import errno
import re
from pathlib import Path

import pytest

from grader.sandbox.worker import syscalls

GENERIC = Path("/usr/include/asm-generic/unistd.h")
X86_64 = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
MACHINES = tuple(syscalls.AUDIT_ARCH)


def _defined(path: Path) -> dict[str, int]:
    if not path.exists():
        pytest.skip(f"{path} is not installed (linux-libc-dev)")
    pattern = r"^#define __NR(?:3264)?_(\w+)\s+(\d+)"
    found = re.findall(pattern, path.read_text(), re.MULTILINE)
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
