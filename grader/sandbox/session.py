"""Speak with one worker: load a submission, call it, watch it. What it says is hostile text."""

import math
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
import numpy as np

from grader.errors import (
    OutputLimitExceeded,
    ProcessorTimeExceeded,
    ProtocolError,
    SandboxError,
    SubmissionError,
    TimeLimitExceeded,
)
from grader.model import Answer, Deadlines, Observation, Structure, Value, Weight
from grader.sandbox.channel import Channel
from grader.sandbox.connection import Connection, Deadline
from grader.sandbox.setup import CPU_S
from grader.sandbox.told import Attempt, Described, Hello, Returned, decode, verdict_over
from grader.sandbox.worker import wire
from grader.text import printable


class Session:
    """One worker that runs one submission; see grader.model.Worker.

    Attributes:
        pid, parent_pid: of the worker, as it is called inside its wall.
    """

    def __init__(self, channel: Channel, layers: Sequence[str], deadlines: Deadlines) -> None:
        self._connection = Connection(channel)
        hello = self._wait_until_ready(deadlines.start_s)
        self._connection.watch()
        self.confined_by = (*layers, *hello.confined_by)
        self.environment = hello.environment
        self.pid, self.parent_pid = hello.pid, hello.parent_pid
        self._begin(deadlines)

    def begin(self, deadlines: Deadlines) -> None:
        """Start a submission's time anew, for a worker that was started ahead.

        Raises:
            SandboxError: it ended while it waited.
        """
        if not self._connection.is_silent():
            raise SandboxError("the worker ended while it waited")
        self._begin(deadlines)

    def _begin(self, deadlines: Deadlines) -> None:
        self._deadlines, self._used_s = deadlines, 0.0
        self._starved_before_s = self._connection.starved_s

    @property
    def cpu_s(self) -> float:
        """CPU seconds used so far."""
        return self._connection.use().cpu_s

    @property
    def peak_memory_bytes(self) -> int:
        """Largest resident set so far."""
        return self._connection.use().peak_memory_bytes

    def load(self, source: bytes, entry: str) -> None:
        """Execute the source in the worker."""
        text = entry.encode() + b"\n" + source
        with self._doing("importing the file", self._deadlines.first_s) as deadline:
            self._ask(wire.Message(wire.SOURCE, _nonce(), text), wire.LOADED, deadline)

    def call(self, arguments: Sequence[Value], *, first: bool) -> Answer:
        """Call the submission's function; the answer's array is what it really returned."""
        seconds = self._deadlines.first_s if first else self._deadlines.repeat_s
        request = wire.Message(wire.CALL, _nonce(), b"", _arrays(arguments))
        with self._doing("the call", seconds) as deadline:
            return self._answer(request, deadline)

    def transplant(
        self, arguments: Sequence[Value], structure: Structure, weights: Sequence[Weight]
    ) -> Answer:
        """Call the submission's function with these weights in the model that it builds."""
        places = [[weight.path, weight.name] for weight in weights]
        wanted = msgspec.json.encode({"root": structure.root, "places": places})
        arrays = (*_arrays(arguments), *(weight.array for weight in weights))
        request = wire.Message(wire.TRANSPLANT, _nonce(), wanted, arrays)
        with self._doing("the call with other weights", self._deadlines.first_s) as deadline:
            return self._answer(request, deadline)

    def _answer(self, request: wire.Message, deadline: Deadline) -> Answer:
        reply = self._ask(request, wire.VALUE, deadline)
        value = decode(reply.text, Returned)
        if value.too_large is not None:
            shape = printable(str(value.shape[: wire.LARGEST_NDIM]))
            raise OutputLimitExceeded(
                f"It returned an array of {shape}, more than the 1 MiB that is read back."
            )
        array = reply.arrays[0] if reply.arrays else None
        return Answer(array, printable(value.returned), printable(value.dtype))

    def inspect(self, arguments: Sequence[Value], structure: Structure) -> Observation:
        """Call the submission's function once under watch."""
        wanted = msgspec.json.encode({"root": structure.root, "flag": structure.flag})
        request = wire.Message(wire.INSPECT, _nonce(), wanted, _arrays(arguments))
        with self._doing("the watched call", 3 * self._deadlines.first_s) as deadline:
            reply = self._ask(request, wire.FACTS, deadline)
        seen = decode(reply.text, Observation)
        told: tuple[Sequence[object], ...]
        told = (seen.modules, seen.attributes, seen.training, seen.evaluation)
        if max(len(each) for each in told) > wire.LARGEST_LIST:  # each is held against the others
            raise ProtocolError("It described more of itself than a worker does.")
        return msgspec.structs.replace(seen, arrays=reply.arrays)

    def give_up(self) -> None:
        """Have what is waited for, and all that is asked from now on, raise GivenUp soon."""
        self._connection.is_given_up = True

    def probe(self, secret_path: str, parent_pid: int) -> list[Attempt]:
        """Have the worker try to break every promise of the wall; it is of no use afterwards."""
        wanted = msgspec.json.encode({"secret_path": secret_path, "parent_pid": parent_pid})
        deadline = _fixed(self._deadlines.start_s)
        reply = self._ask(wire.Message(wire.PROBE, _nonce(), wanted), wire.FACTS, deadline)
        return decode(reply.text, list[Attempt])

    def _wait_until_ready(self, seconds: float) -> Hello:
        """Wait for READY; until then nothing of the submission was read, so failures are ours."""
        try:
            message = self._connection.receive(_fixed(seconds))
        except SubmissionError as error:
            log = " ".join(printable(line) for line in self._connection.log().splitlines()[-4:])
            raise SandboxError(f"the worker did not start: {error.message} {log}") from error
        if message.kind != wire.READY:
            raise SandboxError("the worker did not start with READY")
        return decode(message.text, Hello)

    @contextmanager
    def _doing(self, what: str, seconds: float) -> Iterator[Deadline]:
        """Set the deadline of one exchange and name it in the error when it is missed.

        What it took is not told: it differs from one grading to the next.
        """
        start = time.monotonic()
        end = min(start + self._deadlines.total_s - self._used_s, self._deadlines.until)
        may = f"it may take {math.ceil(seconds)} s"
        try:
            with self._using():
                yield Deadline(min(start + seconds, end), end)
        except TimeLimitExceeded as error:
            if time.monotonic() >= end:
                self._insist_that_it_had_time()
                self._insist_that_it_could_compute()
                may = f"the file may take {math.ceil(self._deadlines.total_s)} s in all"
            elif isinstance(error, ProcessorTimeExceeded):
                may = f"the file may use {CPU_S} s of processor time in all"
            stopped = f"{what[0].upper()}{what[1:]} was stopped: {may}."
            raise TimeLimitExceeded(f"{stopped} {error.message}") from None

    @contextmanager
    def _using(self) -> Iterator[None]:
        """Count the time that passes in the context as the submission's."""
        start = time.monotonic()
        try:
            yield
        finally:
            self._used_s += time.monotonic() - start

    def _insist_that_it_had_time(self) -> None:
        """Refuse to charge a submission for time that we used up.

        Raises:
            SandboxError: it was most of it.
        """
        if not self._deadlines.fair:
            raise SandboxError(
                "preparing took most of the time that there was and left the submission"
                f" {self._deadlines.total_s:.0f} s; fill the caches (grader warm) or allow more"
            )

    def _insist_that_it_could_compute(self) -> None:
        """Refuse to charge a submission for time of which it had less than half.

        Raises:
            SandboxError: it had.
        """
        starved_s = self._connection.starved_s - self._starved_before_s
        if starved_s > self._used_s / 2:
            raise SandboxError(
                f"other work on this machine left the worker no processor for {starved_s:.0f} of"
                f" {self._used_s:.0f} s"
            )

    def _ask(self, request: wire.Message, wanted: int, deadline: Deadline) -> wire.Message:
        reply = self._exchange(request, deadline)
        if reply.nonce != request.nonce or reply.kind not in (wanted, wire.ERROR):
            raise ProtocolError("It answered another question than the one that was asked.")
        if reply.kind == wire.ERROR:
            described = decode(reply.text, Described)
            raise self._error(described, loading=wanted == wire.LOADED)
        return reply

    def _exchange(self, request: wire.Message, deadline: Deadline) -> wire.Message:
        self._connection.send(request, deadline)
        return self._connection.receive(deadline)

    def _error(self, error: Described, *, loading: bool) -> SubmissionError:
        """Turn a described exception into a verdict."""
        return verdict_over(error, loading=loading)


def _arrays(arguments: Sequence[Value]) -> tuple[np.ndarray, ...]:
    """Frame arguments: a float becomes float64 of rank 0."""
    return tuple(np.asarray(value) for value in arguments)


def _fixed(seconds: float) -> Deadline:
    """Return a deadline that nothing puts off."""
    at = time.monotonic() + seconds
    return Deadline(at, at)


def _nonce() -> int:
    return secrets.randbits(64)
