"""A worker's memory is watched also while nobody waits for it; its end is told alike everywhere."""

import os
import time
from collections.abc import Sequence

import pytest
from conftest import KINDS, sandbox_called
from processes import is_alive, until, youngest

from grader.errors import (
    MemoryLimitExceeded,
    RunError,
    SandboxError,
    SubmissionError,
    TimeLimitExceeded,
)
from grader.model import Deadlines, Sandbox
from grader.sandbox.channel import MEMORY_BYTES, Use
from grader.sandbox.choice import FORKING
from grader.sandbox.lookout import Lookout

FILLS_LATER = b"""
import ctypes, mmap, threading, time
SIZE, held = 64 << 20, []
libc = ctypes.CDLL(None, use_errno=True)
def fill():
    for _ in range(48):
        block = mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        view = ctypes.c_char.from_buffer(block)
        ctypes.memset(ctypes.addressof(view), 1, SIZE)
        libc.mprotect(ctypes.c_void_p(ctypes.addressof(view)), ctypes.c_size_t(SIZE), 1)
        held.append((block, view))
        time.sleep(0.04)
def f():
    if not held:
        threading.Thread(target=fill, daemon=True).start()
    return 1.0
"""
"""3 GiB, after its answer; RLIMIT_DATA does not count what was made read-only."""
ENDS_WITH = b"""
import os
def f(code):
    os._exit(int(code))
"""


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind[0] in FORKING], ids="-".join)
def test_memory_is_watched_while_nobody_waits(kind: tuple[str, str]) -> None:
    with sandbox_called(*kind).open(Deadlines()) as worker:
        _, pid = youngest()
        worker.load(FILLS_LATER, "f")
        assert worker.call([], first=True).returned == "float"
        until(lambda: not is_alive(pid))  # we ask nothing, as when the oracle is waited for
        with pytest.raises(MemoryLimitExceeded, match=r"1\.75 GiB"):
            worker.call([], first=False)
        assert MEMORY_BYTES < worker.peak_memory_bytes < 1.4 * MEMORY_BYTES


@pytest.mark.parametrize("code", [3, 128 + 6, 128 + 9, 128 + 24, 200])
def test_an_exit_code_is_told_alike_behind_every_wall(sandbox: Sandbox, code: int) -> None:
    expected: dict[int, tuple[type[SubmissionError], str]] = {
        3: (RunError, "It ended its own process (exit code 3)."),
        128 + 6: (RunError, "It crashed its process (SIGABRT)."),
        128 + 9: (RunError, "It crashed its process (SIGKILL)."),
        128 + 24: (
            TimeLimitExceeded,
            "the file may use 300 s of processor time in all. It used up its",
        ),
        200: (RunError, "It ended its own process (exit code 200)."),
    }
    error, said = expected[code]
    with sandbox.open(Deadlines()) as worker:
        worker.load(ENDS_WITH, "f")
        with pytest.raises(error) as caught:
            worker.call([float(code)], first=True)
        assert said in caught.value.message


class Unseen:
    """A process whose files in /proc are hidden: no kernel gives this number."""

    def pids(self) -> list[int]:
        return [(1 << 22) + 1]

    def wait(self, seconds: float) -> int:
        raise TimeoutError

    def kill(self) -> None:
        pass


def test_a_worker_that_cannot_be_seen_is_not_asked() -> None:
    with pytest.raises(SandboxError, match="hidepid"):
        Lookout(Unseen()).start()


class Late(Unseen):
    """One whose number is told 0.2 s after it is ready, as a busy template does."""

    def __init__(self) -> None:
        self._known_at = time.monotonic() + 0.2

    def pids(self) -> list[int]:
        return [os.getpid()] if time.monotonic() > self._known_at else []


def test_a_worker_that_is_told_late_is_waited_for() -> None:
    lookout = Lookout(Late())
    lookout.start()
    assert lookout.look().memory_bytes > 0
    lookout.close()


class ToldMeanwhile(Unseen):
    """One whose number is told between two questions."""

    def __init__(self) -> None:
        self._asked = 0

    def pids(self) -> list[int]:
        self._asked += 1
        return [os.getpid()] if self._asked > 1 else []


def test_a_worker_that_is_told_between_two_questions_is_not_a_hidden_one() -> None:
    lookout = Lookout(ToldMeanwhile())
    lookout.start()
    lookout.close()


class Filling(Unseen):
    """One that has closed its pipes and goes on; it has too much memory after 0.1 s."""

    def __init__(self) -> None:
        self._begun, self.lived_s = time.monotonic(), 0.0

    def pids(self) -> list[int]:
        return [os.getpid()]

    def use(self, pids: Sequence[int]) -> Use:
        is_early = time.monotonic() < self._begun + 0.1
        return Use(memory_bytes=1 if is_early else MEMORY_BYTES + 1)

    def wait(self, seconds: float) -> int:
        time.sleep(seconds)
        raise TimeoutError

    def kill(self) -> None:
        self.lived_s = self.lived_s or time.monotonic() - self._begun


def test_memory_is_watched_while_its_end_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Filling()
    monkeypatch.setattr("grader.sandbox.lookout.use", process.use)
    lookout = Lookout(process)
    lookout.start()
    with pytest.raises(TimeoutError):
        lookout.wait(3.0)
    lookout.close()
    assert lookout.broken is not None
    assert process.lived_s < 2.5
