"""Lead one worker through a suite, and ask it whatever else the judge wants to know."""

from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np

from grader.checker import Mismatch, first_mismatch, margin
from grader.errors import RunError, SubmissionError
from grader.model import (
    Answer,
    Arguments,
    Case,
    Exercise,
    Expected,
    Observation,
    Structure,
    Value,
    Weight,
    Worker,
)
from grader.trial import Failure, Judged, Outcome, Progress, Trial, is_alive_after


class Run:
    """One worker's way through a suite.

    Attributes:
        trial: what happened so far.
        is_alive: whether the worker can still be asked.
        failures: every case that was put and went wrong, in the order of asking.
        right: how many went right.
    """

    def __init__(self, exercise: Exercise, worker: Worker, progress: Progress) -> None:
        self._exercise, self._worker, self._progress = exercise, worker, progress
        self.trial = Trial()
        self.failures: list[Failure] = []
        self.right = 0
        self.is_alive = True

    def load(self, source: bytes) -> bool:
        """Execute a source; return whether that went well."""
        try:
            self._worker.load(source, self._exercise.entry)
        except SubmissionError as error:
            self.trial.load_error = error
            self.is_alive = is_alive_after(error)
        return self.trial.load_error is None

    def answer_all(self, questions: Sequence[tuple[Case, Expected]]) -> None:
        """Put every case to the program that is loaded, up to the first failure."""
        for number, (case, expected) in enumerate(questions, 1):
            outcome = self.attempt(case, expected, number)
            self.trial.failure = outcome.failure
            self.trial.results.append(Judged(case, expected, outcome))
            if outcome.failure is not None:
                return
            self._progress(number, len(questions))

    def attempt(self, case: Case, expected: Expected, number: int) -> Outcome:
        """Put one case as it is, integers as floats, and compare the answer."""
        outcome = self._compare(case, expected, number, lambda: self._call(case, as_floats=True))
        if outcome.failure is None:
            self.right += 1
        else:
            self.failures.append(outcome.failure)
        return outcome

    def transplant(
        self, case: Case, expected: Expected, structure: Structure, weights: Sequence[Weight]
    ) -> Outcome:
        """Put one case to the submission with other weights in its model, and compare."""

        def ask() -> Answer:
            return self._worker.transplant(self._values(case.arguments), structure, weights)

        return self._compare(case, expected, 0, ask)

    def observe(self, case: Case) -> Observation | None:
        """Watch one more call; None when it failed."""
        assert self._exercise.structure is not None
        if not self.is_alive:
            return None
        try:
            return self._worker.inspect(self._values(case.arguments), self._exercise.structure)
        except SubmissionError as error:
            self.is_alive = is_alive_after(error)
            return None

    def _compare(
        self, case: Case, expected: Expected, number: int, ask: Callable[[], Answer]
    ) -> Outcome:
        try:
            if not self.is_alive:
                raise RunError("Its process is gone.")
            answer = ask()
        except SubmissionError as error:
            self.is_alive = self.is_alive and is_alive_after(error)
            return Outcome(np.inf, Failure(case, expected, number, error=error))
        mismatch = first_mismatch(answer.array, expected, self._exercise.tolerance)
        if mismatch is None and answer.dtype != "float32":  # bfloat16 is framed as float32
            mismatch = Mismatch("dtype")
        if mismatch is None:
            assert answer.array is not None
            return Outcome(margin(answer.array, expected, self._exercise.tolerance), None)
        failure = Failure(case, expected, number, answer, mismatch)
        return Outcome(failure.margin, failure)

    def try_integers(self) -> None:
        """After an exception: see whether the same call works on integers in place of floats."""
        failure = self.trial.failure
        if failure is None or failure.error is None or not self.is_alive:
            return
        self.trial.needs_integers = True
        try:
            self._call(failure.case)
        except SubmissionError:
            self.trial.needs_integers = False

    def watch(self) -> None:
        """Observe one call, and after it an unwatched one on the same arguments.

        A function that remembers what it returned would not call its model a second time.
        """
        if (
            self._exercise.structure is None
            or not self.is_alive
            or self.trial.load_error is not None
        ):
            return
        try:
            arguments = self._values(self._exercise.watched)
            self.trial.watched = self._worker.inspect(arguments, self._exercise.structure)
        except SubmissionError as error:
            self.trial.watch_error = error
            self.is_alive = is_alive_after(error)
            return
        with suppress(SubmissionError):  # the watched call tells how far it comes
            self.trial.unwatched = self._call(Case(self._exercise.watched)).array

    def _call(self, case: Case, *, as_floats: bool = False) -> Answer:
        shape = self._exercise.shape(case)
        first = shape not in self.trial.shapes
        values = self._values(case.arguments, as_floats=as_floats)
        try:
            answer = self._worker.call(values, first=first)
        except SubmissionError as error:
            self.is_alive = is_alive_after(error)
            raise
        self.trial.shapes.add(shape)
        return answer

    def _values(self, arguments: Arguments, *, as_floats: bool = False) -> list[Value]:
        """The arguments in the order of the function's parameters, cast where it needs that."""
        if as_floats or not self.trial.needs_integers:
            return [arguments[argument.name] for argument in self._exercise.arguments]
        return [
            np.asarray(int(arguments[argument.name]))
            if argument.kind == "integer"
            else arguments[argument.name]
            for argument in self._exercise.arguments
        ]
