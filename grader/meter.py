"""Measure what one grading costs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from grader.model import Usage, Worker


class Process(Protocol):
    """A process of ours that may take part in a grading."""

    @property
    def cpu_s(self) -> float:
        """CPU seconds used so far."""


class Meter:
    """What one grading costs, from its making on.

    Attributes:
        begun: when, on the monotonic clock.

    Args:
        oracle: None where it is not asked, for a file that cannot be read.
    """

    def __init__(self, oracle: Process | None = None) -> None:
        self._oracle = oracle
        self.begun, self._cpu = time.monotonic(), self._judge_cpu_s()
        self._worker_cpu, self._peak = 0.0, 0

    @contextmanager
    def counting(self, worker: Worker) -> Iterator[None]:
        """Add what a worker has used when the context ends, however it ends."""
        try:
            yield
        finally:
            self._worker_cpu += worker.cpu_s
            self._peak = max(self._peak, worker.peak_memory_bytes)

    def usage(self) -> Usage:
        """Return what was used since the start."""
        return Usage(
            wall_s=round(time.monotonic() - self.begun, 3),
            worker_cpu_s=round(self._worker_cpu, 3),
            judge_cpu_s=round(self._judge_cpu_s() - self._cpu, 3),
            peak_memory_bytes=self._peak,
        )

    def _judge_cpu_s(self) -> float:
        """CPU seconds of this process and of the oracle's."""
        return time.process_time() + (0.0 if self._oracle is None else self._oracle.cpu_s)
