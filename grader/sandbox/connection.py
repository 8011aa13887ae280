"""Exchange frames with a worker, under deadlines and limits that only the judge keeps.

What carries the bytes is a Channel: the pipes of a process, or the socket of a container. The
deadlines, the limits and the verdict over a worker that ended are the same for all of them.
"""

import math
import select
import signal
import time
from typing import NamedTuple, Protocol

from grader.errors import (
    GivenUp,
    InternalError,
    MemoryLimitExceeded,
    OutputLimitExceeded,
    ProtocolError,
    RunError,
    SubmissionError,
    TimeLimitExceeded,
)
from grader.sandbox.worker import wire

LOG_BYTES = 1 << 20
"""What a worker may print."""
SHOWN_LOG_BYTES = 4096
MEMORY_BYTES = 7 << 28
"""Resident memory of a worker: 1.75 GiB, so that a batch which grades one with nothing beside it
stays below 2. RLIMIT_DATA is the first belt, but memory that was filled and then made read-only
leaves that count; 60 new shapes of honest work reach 1.5 GiB."""
_NOTICED_WITHIN_S = 0.5
"""How long a wait goes on, at most, after another thread gave the worker up."""
MOST_THREADS = 512
"""JAX starts about twenty. RLIMIT_NPROC is the first belt, but it does not bind root."""
_OUT_OF_MEMORY = ("bad_alloc", "MemoryError", "Out of memory", "Unable to allocate")
_SILENT = "It did not answer in time."
_SIGNALS = {one.value: one.name for one in signal.Signals}


class Use(NamedTuple):
    """What a worker used up to now; 0 where its channel cannot tell.

    Attributes:
        cpu_s: processor seconds of all threads.
        peak_memory_bytes: largest resident set.
        memory_bytes: resident set now.
        threads: threads now.
        is_runnable: whether it computes, or would if a processor were free.
    """

    cpu_s: float = 0.0
    peak_memory_bytes: int = 0
    memory_bytes: int = 0
    threads: int = 0
    is_runnable: bool = False

    def after(self, earlier: "Use") -> "Use":
        """Return this one; its processor time and its peak are no less than they were before."""
        return self._replace(
            cpu_s=max(self.cpu_s, earlier.cpu_s),
            peak_memory_bytes=max(self.peak_memory_bytes, earlier.peak_memory_bytes),
        )


class Deadline(NamedTuple):
    """When an answer must be there, on the monotonic clock.

    Attributes:
        at: for a worker that gets a processor whenever it can use one.
        at_latest: for any; at is put off up to here by the time that others' work took from it.
    """

    at: float
    at_latest: float


class Ending(NamedTuple):
    """How a worker ended.

    Attributes:
        exit_code: what a shell would tell: 128 + n for signal n. bubblewrap and Docker tell no
            more, so that a worker which ends with such a code of its own counts as ended by the
            signal, behind every wall.
    """

    exit_code: int
    out_of_memory: bool = False

    @property
    def signal(self) -> str | None:
        """The name of the signal that ended it, None for another exit code."""
        return _SIGNALS.get(self.exit_code - 128)


class Channel(Protocol):
    """What carries bytes to and from one started worker. Neither end ever blocks.

    Attributes:
        requests: descriptor to wait on before writing.
        replies: descriptor to wait on before reading.
        look_every_s: how often asking for its use is worth the cost.
        printed_bytes: how much the worker printed so far.
    """

    requests: int
    replies: int
    look_every_s: float

    @property
    def printed_bytes(self) -> int:
        """Bytes of log so far."""

    def watch(self) -> None:
        """Hold from now on the limits that no kernel holds.

        Raises:
            SandboxError: they cannot be held here.
        """

    def write(self, data: memoryview) -> int:
        """Send some of the data; return how many bytes, 0 when none can be sent now.

        Raises:
            BrokenPipeError: the worker is gone.
        """

    def read(self, size: int) -> bytes | None:
        """Return up to size bytes of replies, None when there are none now, b"" at the end."""

    def use(self) -> Use:
        """Measure what the worker used."""

    def log(self) -> bytes:
        """Return the last SHOWN_LOG_BYTES that the worker printed: hostile text."""

    def ending(self) -> Ending | None:
        """Say how the worker ended; None when it still runs after two seconds.

        Raises:
            SandboxError: something of ours ended it.
            SubmissionError: a limit that the channel holds ended it.
        """

    def close(self) -> None:
        """End the worker and everything in it, and free what the channel holds."""


class Connection:
    """One worker as the judge sees it: frames, deadlines, limits.

    Attributes:
        patience_s: how long it may make us wait without computing.
        starved_s: how long it could have computed, and the machine's other work kept it from it.
        is_given_up: whether to wait no longer; any thread may set it.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.patience_s = math.inf
        self.starved_s = 0.0
        self.is_given_up = False
        self._computed_at = self._asked_at = self._starved_before_s = 0.0
        self._use = Use()
        self._looked_at = time.monotonic()

    def send(self, message: wire.Message, deadline: Deadline) -> None:
        """Send a frame before a deadline.

        Raises:
            SubmissionError: the worker does not read, or is gone.
            GivenUp: another thread gave it up.
        """
        data = memoryview(wire.pack(message, limit=wire.LARGEST_REQUEST))
        self._computed_at = self._asked_at = time.monotonic()
        self._starved_before_s = self.starved_s
        while data:
            try:
                written = self._channel.write(data)
            except BrokenPipeError:
                raise self._ended() from None
            data = data[written:]
            if not written:
                self._wait(deadline, "It did not read its input in time.", writing=True)

    def receive(self, deadline: Deadline) -> wire.Message:
        """Receive a frame before a deadline.

        Raises:
            SubmissionError: no valid frame arrived.
            GivenUp: another thread gave it up.
        """
        try:
            message = wire.read(lambda size: self._read_exactly(size, deadline))
        except wire.TooLarge as error:
            raise OutputLimitExceeded(f"It answered with more than 1 MiB ({error}).") from None
        except wire.WireError as error:
            raise ProtocolError(f"It wrote bytes that are no answer ({error}).") from None
        if self.log_is_full:  # behind some walls printing fails then, behind others it does not
            raise printed_too_much()
        return message

    def watch(self) -> None:
        """Hold all limits from now on.

        Raises:
            SandboxError: they cannot be held here.
        """
        self._channel.watch()

    def is_silent(self) -> bool:
        """Whether the worker is there and says nothing, as one does that was asked nothing."""
        return self._channel.read(1) is None

    def log(self) -> str:
        """Return the end of what the worker printed: hostile text."""
        return self._channel.log().decode("utf-8", "replace")

    @property
    def log_is_full(self) -> bool:
        """Whether printing reached its limit."""
        return self._channel.printed_bytes >= LOG_BYTES

    def use(self) -> Use:
        """Measure what the worker used; its processor time and peak never fall again."""
        now, before = self._channel.use(), self._use
        looked_at = time.monotonic()
        if now.is_runnable:
            passed_s = looked_at - max(self._looked_at, self._asked_at)
            self.starved_s += max(0.0, passed_s - (now.cpu_s - before.cpu_s))
        if now.is_runnable or now.cpu_s > before.cpu_s:
            self._computed_at = looked_at
        self._use = now.after(before)
        self._looked_at = looked_at
        return self._use

    def _read_exactly(self, size: int, deadline: Deadline) -> bytes:
        parts = []
        while size:
            part = self._channel.read(min(size, 1 << 16))
            if part is None:
                self._wait(deadline, _SILENT)
                continue
            if not part:
                raise self._ended()
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _wait(self, deadline: Deadline, missed: str, *, writing: bool = False) -> None:
        """Wait a little for the worker, looking at what it uses while it makes us wait."""
        if self.is_given_up:
            raise GivenUp("nobody waits for the worker any more")
        every_s = self._channel.look_every_s
        put_off = deadline.at + self.starved_s - self._starved_before_s
        left = min(put_off, deadline.at_latest) - time.monotonic()
        if left <= 0:
            raise TimeLimitExceeded(missed)
        if self.log_is_full:
            raise printed_too_much()
        replies, requests = [self._channel.replies], [self._channel.requests]
        seconds = min(left, every_s, _NOTICED_WITHIN_S)
        select.select(*([], requests) if writing else (replies, []), [], seconds)
        if time.monotonic() - self._looked_at < every_s:
            return
        self.use()
        if time.monotonic() - self._computed_at > self.patience_s:
            raise TimeLimitExceeded("It waited without computing.")

    def _ended(self) -> SubmissionError | InternalError:
        """Say how the worker ended."""
        ending = self._channel.ending()
        if ending is None:
            # Behind other walls somebody holds the pipe too, and the deadline is what ends it.
            return TimeLimitExceeded(_SILENT)
        if ending.out_of_memory:
            return MemoryLimitExceeded("It used more memory than its container has.")
        name = ending.signal
        if name is None:
            return RunError(f"It ended its own process (exit code {ending.exit_code}).")
        if name == "SIGXCPU":
            return TimeLimitExceeded("It used up its processor time.")
        if any(sign in self.log() for sign in _OUT_OF_MEMORY):
            return too_much_memory()
        return RunError(f"It crashed its process ({name}).")


def too_much_memory() -> MemoryLimitExceeded:
    """Return the verdict over a worker with more than MEMORY_BYTES."""
    return MemoryLimitExceeded("It used more memory than it may (1.75 GiB).")


def too_many_threads() -> MemoryLimitExceeded:
    """Return the verdict over a worker with more than MOST_THREADS threads."""
    return MemoryLimitExceeded(f"It started more than {MOST_THREADS} threads.")


def printed_too_much() -> OutputLimitExceeded:
    """Return the verdict over a worker that printed LOG_BYTES and went on."""
    return OutputLimitExceeded("It printed more than 1 MiB.")
