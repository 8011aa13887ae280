"""Find the one misconception that explains what a submission answered."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from grader.checker import first_mismatch
from grader.model import Case, Exercise, Expected
from grader.oracle import Oracle, VariantAnswer
from grader.questions import Question
from grader.run import Run
from grader.text import printable
from grader.trial import Failure, Outcome

LEAST_EXPLAINED = 3
"""Cases on which a misconception must differ from the reference and agree with the submission."""
_MOST_ASKED = 10
"""Further cases that are put to the submission; one costs 0.02 s, or 0.15 s in a new shape."""
_PASSED_LOOKED_AT = 6
"""Cases that the submission had right, on which a misconception must be right as well."""
ALLOWANCE = 8.0
"""Floors of the bound by which submission and misconception may differ: two float32 programs whose
conditioning is not known. Different mistakes differ by thousands of floors."""
_ALIVE_COMPARED = 8
"""Misconceptions that are compared with each other before a case is asked."""


class Match(NamedTuple):
    """A misconception that explains the answers.

    Attributes:
        names: more than one only when nothing that was asked tells them apart.
        explained: number of cases that it explains.
    """

    names: tuple[str, ...]
    explained: int


class Matcher:
    """Compare a submission's answers with those of every misconception.

    Args:
        variants: misconception to its whole text.
    """

    def __init__(self, exercise: Exercise, oracle: Oracle, variants: Mapping[str, str]) -> None:
        self._exercise, self._oracle, self._variants = exercise, oracle, variants

    def prepare(self, case: Case) -> None:
        """Have every misconception answer a case; the answers are kept on disk."""
        for text in self._variants.values():
            self._answer(text, case)

    def match(self, run: Run, questions: Sequence[Question]) -> Match:
        """Ask the submission further cases until one misconception is left, or none.

        Args:
            run: a run that failed; it goes on in the suite.
            questions: the suite.
        """
        failure = run.trial.failure
        assert failure is not None
        passed = _spread(run.trial.results[:-1], _PASSED_LOOKED_AT)
        alive = [name for name in self._variants if self._is_possible(name, failure, passed)]
        explained, asked = 1, 0
        for number, question in self._further(run, questions):
            if not alive or not run.is_alive or asked >= _MOST_ASKED:
                break
            if explained >= LEAST_EXPLAINED and len(alive) == 1 and asked >= LEAST_EXPLAINED:
                break
            if asked >= LEAST_EXPLAINED and not self._tells(alive, question, explained):
                continue
            outcome = run.attempt(*question, number)
            alive = [name for name in alive if self._explains(name, question, outcome)]
            explained += outcome.failure is not None
            asked += 1
        return Match(tuple(alive), explained)

    def _is_possible(
        self, name: str, failure: Failure, passed: Sequence[tuple[Case, Expected, Outcome]]
    ) -> bool:
        """Whether a misconception answers as the submission did, rightly and wrongly.

        On the suite's first case every misconception has answered, see prepare, and most are wrong:
        to rule them out by it costs nothing, to run all of them on another case 28 CPU s.
        """
        known, others = passed[:1], passed[1:]
        return (
            not any(self._differs(name, case, expected) for case, expected, _ in known)
            and self._agrees(name, failure)
            and not any(self._differs(name, case, expected) for case, expected, _ in others)
        )

    def ask_more(self, run: Run, questions: Sequence[Question], wanted: int) -> None:
        """Put further cases until so many went wrong, or twice as many were asked."""
        for asked, (number, question) in enumerate(self._further(run, questions)):
            if len(run.failures) >= wanted or asked >= 2 * wanted or not run.is_alive:
                return
            run.attempt(*question, number)

    def _further(self, run: Run, questions: Sequence[Question]) -> Iterator[tuple[int, Question]]:
        """Yield cases not asked yet: those of known shapes first, every family before any again."""
        waiting = list(enumerate(questions, 1))[len(run.trial.results) :]
        known = set(run.trial.shapes)
        seen: dict[str, int] = {}
        keyed = []
        for number, question in waiting:
            turn = seen[question.case.family] = seen.get(question.case.family, -1) + 1
            is_new = self._exercise.shape(question.case) not in known
            keyed.append(((turn, is_new, number), question))
        for (_, _, number), question in sorted(keyed, key=lambda pair: pair[0]):
            yield number, question

    def _tells(self, alive: Sequence[str], question: Question, explained: int) -> bool:
        """Whether a case could tell those that are left apart, or is one more to be explained."""
        texts = [self._variants[name] for name in alive[:_ALIVE_COMPARED]]
        answers = [self._answer(text, question.case) for text in texts]
        wrong = [self._is_wrong(answer, question.expected) for answer in answers]
        if explained < LEAST_EXPLAINED:
            return any(wrong)
        first = answers[0]
        return any(not self._same(first, other, question.expected) for other in answers[1:])

    def _explains(self, name: str, question: Question, outcome: Outcome) -> bool:
        if outcome.failure is None:
            return not self._differs(name, question.case, question.expected)
        return self._agrees(name, outcome.failure)

    def _agrees(self, name: str, failure: Failure) -> bool:
        return self.explains(self._variants[name], failure)

    def explains(self, text: str, failure: Failure) -> bool:
        """Whether a variant, given by its text, answers as a wrong submission did."""
        answer = self._answer(text, failure.case)
        if failure.error is not None:
            said = failure.error.evidence
            return answer.raised is not None and answer.raised == (
                f"{said.get('exception')}: {said.get('said')}"
            )
        assert failure.answer is not None
        if not self._is_wrong(answer, failure.expected):  # what is right explains no error
            return False
        given = VariantAnswer(failure.answer.array, failure.answer.dtype, None)
        if given.array is None:
            given = given._replace(dtype=failure.answer.returned)
        if not self._same(given, answer, failure.expected):
            return False
        return self._is_nearer(given, answer, failure)

    @staticmethod
    def _is_nearer(given: VariantAnswer, answer: VariantAnswer, failure: Failure) -> bool:
        """Whether a wrong answer is a variant's rather than the right one, of faint ones."""
        exact = failure.expected.exact
        if given.array is None or answer.array is None or given.array.shape != exact.shape:
            return True
        if not (np.isfinite(given.array).all() and np.isfinite(answer.array).all()):
            return True
        own = given.array.astype(np.float64)
        error = np.max(np.abs(own - exact), initial=0.0)
        return bool(2 * np.max(np.abs(own - answer.array), initial=0.0) <= error)

    def _differs(self, name: str, case: Case, expected: Expected) -> bool:
        return self._is_wrong(self._answer(self._variants[name], case), expected)

    def _is_wrong(self, answer: VariantAnswer, expected: Expected) -> bool:
        mismatch = first_mismatch(answer.array, expected, self._exercise.tolerance)
        return mismatch is not None or answer.dtype != "float32"

    def _answer(self, text: str, case: Case) -> VariantAnswer:
        answer = self._oracle.answer_of(text, case)
        if answer.raised is None:
            return answer
        kind, _, message = answer.raised.partition(": ")
        # As the judge words what a worker says of an exception.
        said = f"{printable(kind, limit=60)}: {printable(message, limit=300)}"
        return answer._replace(raised=said)

    def _same(self, left: VariantAnswer, right: VariantAnswer, expected: Expected) -> bool:
        """Whether two wrong answers are the same up to rounding."""
        if (left.raised, left.dtype) != (right.raised, right.dtype):
            return False
        if left.array is None or right.array is None:
            return left.array is right.array
        if left.array.shape != right.array.shape:
            return False
        wide, other = left.array.astype(np.float64), right.array.astype(np.float64)
        largest = np.max(np.abs(other), initial=0.0, where=np.isfinite(other))
        floor = self._exercise.tolerance.floor(expected) / expected.scale
        allowed = ALLOWANCE * floor * max(expected.scale, float(largest))
        with np.errstate(invalid="ignore"):
            close = np.abs(wide - other) <= allowed
        return bool(np.all(close | (wide == other) | (np.isnan(wide) & np.isnan(other))))


def _spread(
    results: Sequence[tuple[Case, Expected, Outcome]], most: int
) -> list[tuple[Case, Expected, Outcome]]:
    """Return at most so many of them, evenly spread."""
    step = max(1, -(-len(results) // most))
    return list(results[::step])
