"""Run a classic BPF program as the kernel would run the filter, on any machine."""

import errno
import struct

REFUSE = 0x00050000 | errno.EPERM
CONDITIONAL = (
    *("clone", "clone3", "fcntl", "futex", "ioctl", "madvise", "mmap", "prctl", "prlimit64"),
    "tgkill",
)
"""Calls that the filter lets through with some arguments only."""


def answer(program: bytes, arch: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """Run classic BPF, as far as the filter uses it, over one struct seccomp_data."""
    six = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, arch, 0x7F0000000000, *six)
    code = list(struct.iter_unpack("<HBBI", program))
    accumulator = at = 0
    while True:
        operation, when_true, when_false, constant = code[at]
        at += 1
        if operation == 0x20:  # load a word
            (accumulator,) = struct.unpack_from("<I", data, constant)
        elif operation == 0x54:  # and
            accumulator &= constant
        elif operation == 0x06:  # return
            return int(constant)
        elif operation == 0x15:  # jump if equal
            at += when_true if accumulator == constant else when_false
        elif operation == 0x35:  # jump if greater or equal
            at += when_true if accumulator >= constant else when_false
        elif operation == 0x45:  # jump if any bit is set
            at += when_true if accumulator & constant else when_false
        else:
            raise AssertionError(f"unknown instruction {operation:#x}")
