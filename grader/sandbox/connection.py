"""Exchange frames with a worker, under deadlines that only the judge keeps.

The deadlines, and the verdict over a worker that ended, are the same behind every wall.
"""

import math
import select
import time
from typing import NamedTuple

from grader.errors import (
    GivenUp,
    InternalError,
    MemoryLimitExceeded,
    OutputLimitExceeded,
    ProcessorTimeExceeded,
    ProtocolError,
    RunError,
    SubmissionError,
    TimeLimitExceeded,
)
from grader.sandbox.channel import LOG_BYTES, Channel, Use, printed_too_much, too_much_memory
from grader.sandbox.worker import wire

_NOTICED_WITHIN_S = 0.5
"""How long a wait goes on, at most, after another thread gave the worker up."""
_OUT_OF_MEMORY = ("bad_alloc", "MemoryError", "Out of memory", "Unable to allocate")
_SILENT = "It did not answer in time."


class Deadline(NamedTuple):
    """When an answer must be there, on the monotonic clock.

    Attributes:
        at: for a worker that gets a processor whenever it can use one.
        at_latest: for any; at is put off up to here by the time that others' work took from it.
    """

    at: float
    at_latest: float


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
            return ProcessorTimeExceeded("It used up its processor time.")
        if any(sign in self.log() for sign in _OUT_OF_MEMORY):
            return too_much_memory()
        return RunError(f"It crashed its process ({name}).")
