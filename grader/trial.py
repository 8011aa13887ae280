"""Record how a submission went through its suite: what it answered, where it failed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from grader.errors import OutputLimitExceeded, SubmissionError
from grader.model import (
    Answer,
    Case,
    Expected,
    Observation,
)

if TYPE_CHECKING:
    import numpy as np

    from grader.checker import Mismatch

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Failure:
    """The first case that failed, or a smaller one that fails for the same reason.

    Attributes:
        number: position in the suite, from 1.
        error: set when the call did not return; else mismatch is.
    """

    case: Case
    expected: Expected
    number: int
    answer: Answer | None = None
    mismatch: "Mismatch | None" = None
    error: SubmissionError | None = None

    @property
    def reason(self) -> str:
        """What kind of failure it is: a shrunk case must share it."""
        if self.error is not None:
            return f"error {self.error.evidence.get('exception', type(self.error).__name__)}"
        assert self.mismatch is not None
        return self.mismatch.kind

    @property
    def margin(self) -> float:
        """Error in units of the bound; infinite when nothing comparable came back."""
        if self.mismatch is None or not self.mismatch.bound:
            return float("inf")
        return self.mismatch.error / self.mismatch.bound


class Outcome(NamedTuple):
    """How one case went.

    Attributes:
        margin: error in units of the bound, at most 1 when right; infinite when what came back
            cannot be compared.
        failure: None when it was right.
    """

    margin: float
    failure: Failure | None


class Judged(NamedTuple):
    """One case of the suite and how it went."""

    case: Case
    expected: Expected
    outcome: Outcome


@dataclass
class Trial:
    """What happened.

    Attributes:
        load_error: the source could not be executed.
        results: every case that was answered, in the suite's order.
        failure: the first one; shrunk: the same failure on the simplest input found.
        needs_integers: calls raise unless the caller casts what the student should.
        watched: the observed call; unwatched: what an unwatched one returned on the same arguments.
        watch_error: why there is none.
        transplanted: whether answers are right with the reference's weights; None when unknown.
    """

    load_error: SubmissionError | None = None
    results: list[Judged] = field(default_factory=list)
    failure: Failure | None = None
    shrunk: Failure | None = None
    needs_integers: bool = False
    watched: Observation | None = None
    unwatched: "np.ndarray | None" = None
    watch_error: SubmissionError | None = None
    transplanted: bool | None = None
    shapes: set[tuple[int, ...]] = field(default_factory=set)

    @property
    def worst_margin(self) -> float:
        """Largest error of a right answer, in units of its bound."""
        right = (one.outcome for one in self.results if one.outcome.failure is None)
        return max((outcome.margin for outcome in right), default=0.0)

    @property
    def error(self) -> SubmissionError | None:
        """The exception that ended the run, if one did."""
        return self.load_error or (self.failure.error if self.failure is not None else None)


def is_alive_after(error: SubmissionError | None) -> bool:
    """Whether the worker can still be asked: an exception was caught, a lost process was not."""
    if error is None:
        return True
    if "printed" in error.evidence:  # its log stays full, whatever it is asked next
        return False
    return "exception" in error.evidence or isinstance(error, OutputLimitExceeded)
