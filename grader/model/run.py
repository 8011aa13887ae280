"""Name what one run needs: the submission, its deadlines, the sandbox and the worker behind it."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from grader.model.case import Value
from grader.model.exercise import Structure
from grader.model.observation import Observation

if TYPE_CHECKING:
    import numpy as np


class Submission(msgspec.Struct, frozen=True):
    """What the student sent.

    Attributes:
        name: printable file name.
        source: UTF-8 Python text.
        sha256: hex digest of source.
    """

    name: str
    source: bytes
    sha256: str


class Deadlines(msgspec.Struct, frozen=True):
    """How long a worker may take, in wall-clock seconds.

    A call's are put off while other work has the worker's processor, see grader.sandbox.connection;
    total_s is not.

    Attributes:
        start_s: from starting the process to "ready"; a miss is our fault.
        first_s: loading the source, and any call with a shape not seen before.
        repeat_s: a call with a shape seen before.
        total_s: everything that is asked after "ready", together; what passes while nothing is
            asked is not the worker's.
        until: on the judge's monotonic clock; whatever is asked is over by then.
        fair: whether running out of total_s is the submission's doing; else so little was left of
            it by our own that it is our fault.
    """

    start_s: float = 120.0
    first_s: float = 10.0
    repeat_s: float = 5.0
    total_s: float = 300.0
    until: float = math.inf
    fair: bool = True

    def within(self, now: float, end: float, *, given_s: float) -> "Deadlines":
        """Return these deadlines for a worker that must be done by some end.

        Args:
            given_s: what it was to have. With less than half of that left, it is not its fault.
        """
        total_s = max(0.0, min(self.total_s, end - now))
        return msgspec.structs.replace(
            self, total_s=total_s, until=end, fair=total_s >= given_s / 2
        )


class Answer(NamedTuple):
    """What one call returned.

    Attributes:
        array: None when it was no array.
        returned: what kind of thing it was, in the worker's words.
        dtype: its dtype's name before it was framed.
    """

    array: "np.ndarray | None"
    returned: str = "array"
    dtype: str = "float32"


class Weight(NamedTuple):
    """One array for a place in a student's model.

    Attributes:
        path: dotted path of the module; name: of its variable, such as "kernel".
    """

    path: str
    name: str
    array: "np.ndarray"


class Worker(Protocol):
    """One confined process that runs one submission. Every method may raise SubmissionError."""

    @property
    def confined_by(self) -> Sequence[str]:
        """What stands between the submission and the machine."""

    @property
    def environment(self) -> dict[str, str]:
        """Versions inside the worker, as it reported before it read the submission."""

    @property
    def cpu_s(self) -> float:
        """CPU seconds used so far."""

    @property
    def peak_memory_bytes(self) -> int:
        """Largest resident set so far."""

    def load(self, source: bytes, entry: str) -> None:
        """Execute the source and look up the function called entry."""

    def call(self, arguments: Sequence[Value], *, first: bool) -> Answer:
        """Call the function; `first` grants the deadline of a shape not seen before."""

    def inspect(self, arguments: Sequence[Value], structure: Structure) -> Observation:
        """Call the function once more and watch what it builds."""

    def transplant(
        self, arguments: Sequence[Value], structure: Structure, weights: Sequence[Weight]
    ) -> Answer:
        """Call the function with these weights in the model that it builds."""

    def give_up(self) -> None:
        """Have what is waited for, and all that is asked from now on, raise GivenUp soon.

        Any thread may call it.
        """


class Sandbox(Protocol):
    """A way of starting confined workers."""

    name: str

    def problem(self) -> str | None:
        """Say why it cannot work on this machine and how to mend that; None when it can."""

    def open(self, deadlines: Deadlines) -> AbstractContextManager[Worker]:
        """Start a worker; leaving the context ends it and everything it started."""

    def close(self) -> None:
        """End what is kept running between workers; opening another one starts it again."""
