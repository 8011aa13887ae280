"""A worker that gets no processor is not late, and no worker can make itself such a one."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from processes import descendants

from grader.errors import RunError, SandboxError, TimeLimitExceeded
from grader.model import Deadlines, Sandbox, Worker
from grader.sandbox.session import Session

LOADED_BY = 8
"""Processes that loop on the worker's only processor: it gets a ninth of it, or less."""
LIMIT_S = 1.0
COMPUTES = b"""
import time
def f(*arguments):
    start = time.process_time()
    while time.process_time() < start + 0.5:
        pass
    return arguments[1]
"""
BUSY_THREADS = b"""
import threading
import numpy as np
def multiply():
    matrix = np.ones((512, 512), np.float32)
    while True:
        matrix @ matrix
def f(*arguments):
    for _ in range(8):
        threading.Thread(target=multiply).start()
    multiply()
"""
SLEEPS = b"import time\ndef f(*arguments):\n    time.sleep(1000)\n"
READS_FROM_DISK = b"""
import mmap, os
import numpy
def f(*arguments):
    page = mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    while True:
        descriptor = os.open(numpy._core._multiarray_umath.__file__, os.O_RDONLY | os.O_DIRECT)
        while os.readv(descriptor, [page]):
            pass
        os.close(descriptor)
"""
STEPS_BACK = b"""
import os
def f(*arguments):
    os.STEP
"""
LOOPS = b"def f(*arguments):\n    while True:\n        pass\n"


@contextmanager
def starving(pids: list[int]) -> Iterator[None]:
    """Leave processes one processor, on which others loop."""
    processor = {max(os.sched_getaffinity(0))}
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread), processor)
    looping = f"import os; os.sched_setaffinity(0, {processor})\nwhile True: pass"
    # Kernels may share processors among sessions first: each has one of its own, as the worker has.
    command = [sys.executable, "-c", looping]
    others = [subprocess.Popen(command, start_new_session=True) for _ in range(LOADED_BY)]
    try:
        time.sleep(0.5)  # all of them loop
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


@contextmanager
def starved(sandbox: Sandbox, source: bytes, **seconds: float) -> Iterator[Worker]:
    """Load a source in a worker that then starves."""
    mine = set(descendants(os.getpid()))
    with sandbox.open(Deadlines(**{"first_s": 60.0, "repeat_s": LIMIT_S, **seconds})) as worker:
        worker.load(source, "f")
        with starving(sorted(set(descendants(os.getpid())) - mine)):
            yield worker


def call(worker: Worker) -> np.ndarray | None:
    return worker.call([3.0, np.ones((2, 3, 1), np.float32), 4.0], first=False).array


def test_time_without_a_processor_is_not_the_submissions(bubblewrap: Sandbox) -> None:
    with starved(bubblewrap, COMPUTES) as worker:
        start = time.monotonic()
        assert call(worker) is not None
        assert time.monotonic() - start > LIMIT_S  # else nothing was put off


@pytest.mark.parametrize("source", [LOOPS, BUSY_THREADS], ids=["loop", "busy_threads"])
def test_time_with_a_processor_is(bubblewrap: Sandbox, source: bytes) -> None:
    with starved(bubblewrap, source) as worker:
        before_s = worker.cpu_s
        with pytest.raises(TimeLimitExceeded, match=r"may take 1 s\. It did not answer"):
            call(worker)
        # Among threads of its own the first one often waits for a lock: that is not put off.
        assert LIMIT_S / 4 < worker.cpu_s - before_s < 2 * LIMIT_S


def test_so_is_time_slept(bubblewrap: Sandbox) -> None:
    with starved(bubblewrap, SLEEPS) as worker, pytest.raises(TimeLimitExceeded):
        call(worker)


def test_so_is_time_that_the_disk_takes(bubblewrap: Sandbox) -> None:
    def took() -> float:
        with bubblewrap.open(Deadlines(first_s=60.0, repeat_s=LIMIT_S, total_s=30.0)) as worker:
            worker.load(READS_FROM_DISK, "f")
            start = time.monotonic()
            with pytest.raises(TimeLimitExceeded, match=r"may take 1 s\. It did not answer"):
                call(worker)
            return time.monotonic() - start

    # Who has just got its data may wait for a processor, and that is put off: not each time.
    assert any(took() < 5 * LIMIT_S for _ in range(3))


def test_who_had_no_processor_until_the_very_end_is_not_judged(bubblewrap: Sandbox) -> None:
    with starved(bubblewrap, LOOPS) as worker:
        assert isinstance(worker, Session)
        # Only now: until the others looped, which took its time too, it had the processor.
        worker.begin(Deadlines(first_s=60.0, repeat_s=60.0, total_s=4.0))
        with pytest.raises(SandboxError, match="no processor for"):
            call(worker)


def test_who_is_left_no_time_by_our_preparing_is_not_judged(bubblewrap: Sandbox) -> None:
    unfair = Deadlines(first_s=60.0, repeat_s=60.0, total_s=2.0, fair=False)
    with bubblewrap.open(unfair) as worker:
        worker.load(SLEEPS, "f")
        with pytest.raises(SandboxError, match="preparing took most of the time"):
            call(worker)


@pytest.mark.parametrize(
    "step",
    ["nice(19)", "sched_setaffinity(0, {0})", "sched_setscheduler(0, 5, os.sched_param(0))"],
    ids=["nice", "affinity", "idle"],
)
def test_no_worker_steps_back_behind_others(bubblewrap: Sandbox, step: str) -> None:
    with bubblewrap.open(Deadlines(first_s=60.0, repeat_s=60.0)) as worker:
        worker.load(STEPS_BACK.replace(b"STEP", step.encode()), "f")
        with pytest.raises(RunError, match="PermissionError"):
            call(worker)
