"""What a process calls itself does not change what it is seen to use."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from grader.sandbox.process import use
from grader.sandbox.worker import guard

CALL_ITSELF = """
import ctypes, sys, threading, time
for _ in range(4):
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
held = b"x" * (64 << 20)
ctypes.CDLL(None).prctl(15, bytes.fromhex(sys.argv[1]), 0, 0, 0)
print(flush=True)
time.sleep(1000)
"""
"""64 MiB and five threads, then a new name."""


@contextmanager
def process_called(name: bytes) -> Iterator[int]:
    command = [sys.executable, "-c", CALL_ITSELF, name.hex()]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        started.stdout.readline()
        try:
            yield started.pid
        finally:
            started.kill()


@pytest.mark.parametrize(
    "name", [b"VmRSS: 1", b"VmHWM: 1", b"\nVmRSS: 1", b"Threads: 1", b"\xff", b") R 1 1"]
)
def test_a_name_hides_nothing(name: bytes) -> None:
    with process_called(name) as pid:
        used = use([pid])
        assert used.memory_bytes > 64 << 20
        assert used.peak_memory_bytes > 64 << 20
        assert (used.threads, guard._threads(pid)) == (5, 5)
