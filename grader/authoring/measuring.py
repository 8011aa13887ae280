"""Measure noise and signal of an exercise: run right variants and misconceptions on each case."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np

from grader.authoring.calibration import BLIND_SHARE, Calibration, FamilyRow
from grader.authoring.programs import AS_GRADED, Program
from grader.authoring.survey import Survey, errands
from grader.errors import SubmissionError, TimeLimitExceeded, UsageError
from grader.model import Exercise, Tolerance
from grader.questions import Question, Questions
from grader.run import Run

SAFETY = 4.0
"""How many times the measured noise the suggested floors of the bound are."""


class Measured(msgspec.Struct, frozen=True):
    """One program's errors on every case, thrown-out ones too.

    Attributes:
        margins: float64[cases], in units of each case's bound; infinite where it did not answer.
        unloaded: why its source could not be executed; "" when it was.
        unanswered: the exception at its first case when it answered none that can judge.
    """

    program: Program
    margins: np.ndarray
    unloaded: str = ""
    unanswered: str = ""

    @property
    def name(self) -> str:
        """The program's name, with its settings where they are not those of a grading."""
        return _named(self.program)


def _named(program: Program) -> str:
    return program.name if program.settings == AS_GRADED else f"{program.name}, {program.settings}"


def calibrate(
    exercise: Exercise,
    survey: Survey[Measured],
    questions: Questions,
    programs: Sequence[Program],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Calibration:
    """Run every program on every case, the thrown-out ones too.

    Args:
        questions: the suite and the calibration-only families.
        programs: right variants and misconceptions; those marked equivalent are left out.

    Raises:
        UsageError: there are no misconceptions to measure the signal by, or a right variant was
            out of time: that says nothing about its noise.
    """
    unfit = tuple(Question(one.case, one.expected) for one in questions.unfit)
    everything = Questions(questions.seed, (*questions.asked, *unfit), ())
    telling = [program for program in programs if not program.equivalent]
    if all(program.is_right for program in telling):
        raise UsageError(f"{exercise.name} has no misconception that an input can tell: no signal")

    kept = len(questions.asked)

    def ask(run: Run, program: Program, suite: Questions) -> Measured:
        return _measure(run, program, suite.asked, kept)

    found: dict[Program, Measured] = {}
    for measured in survey.run(errands(telling, [everything]), ask):
        found[measured.program] = measured
        progress(len(found), len(telling))
    return _summarise(exercise, questions, [found[program] for program in telling])


def _measure(run: Run, program: Program, asked: Sequence[Question], kept: int) -> Measured:
    """Put every case to a program that is loaded, or has failed to.

    Args:
        kept: number of cases that can judge; they come first.
    """
    outcomes = [_margin(run, program, question) for question in asked]
    margins = np.array([margin for margin, _ in outcomes])
    load_error, errors = run.trial.load_error, [error for _, error in outcomes[:kept]]
    if load_error is not None:
        return Measured(program, margins, unloaded=load_error.message)
    first = errors[0] if errors and all(errors) else None
    return Measured(program, margins, unanswered="" if first is None else first.message)


def _margin(run: Run, program: Program, question: Question) -> tuple[float, SubmissionError | None]:
    """Return the error in bounds, infinite when nothing came back, and why nothing did."""
    margin, error = float("inf"), run.trial.load_error
    if error is None:
        margin, failure = run.attempt(*question, number=0)
        error = None if failure is None else failure.error
    if program.is_right and isinstance(error, TimeLimitExceeded):
        raise UsageError(
            f"the right variant {_named(program)} could not be measured: {error.message} "
            "Calibrate where less else runs."
        )
    return margin, error


def _summarise(
    exercise: Exercise, questions: Questions, measured: Sequence[Measured]
) -> Calibration:
    right = [one for one in measured if one.program.is_right]
    wrong = [one for one in measured if not one.program.is_right]
    kept = len(questions.asked)
    noise, survivors = _noise(right), _survivors(wrong)
    steady = [one for one in right if np.isfinite(one.margins[:kept]).all()]
    signal = sorted((_reached(one, kept), one.name) for one in wrong)
    return Calibration(
        exercise=exercise.name,
        digest=exercise.digest,
        seed=questions.seed,
        cases=kept + len(questions.unfit),
        unfit=questions.reasons,
        families=list(_families(exercise, questions, noise, survivors)),
        noise={one.name: _reached(one, kept) for one in right},
        signal={name: reached for reached, name in signal},
        unloaded={one.name: one.unloaded for one in wrong if one.unloaded},
        unanswered={one.name: one.unanswered for one in wrong if one.unanswered},
        gap=questions.widest_gap(exercise.tolerance),
        blind=int((survivors[:kept] > BLIND_SHARE).sum()),
        tolerance=exercise.tolerance,
        suggested=_suggest(exercise.tolerance, questions.asked, steady),
    )


def _noise(right: Sequence[Measured]) -> np.ndarray:
    """float64[cases]: the largest error of any right variant, in bounds."""
    largest: np.ndarray = np.max([one.margins for one in right], axis=0)
    return largest


def _survivors(wrong: Sequence[Measured]) -> np.ndarray:
    """float64[cases]: the share of the misconceptions that each case lets pass."""
    share: np.ndarray = np.mean([one.margins <= 1.0 for one in wrong], axis=0)
    return share


def _reached(one: Measured, kept: int) -> float:
    return float(one.margins[:kept].max(initial=0.0))


def _suggest(
    tolerance: Tolerance, questions: Sequence[Question], right: Sequence[Measured]
) -> Tolerance:
    """Take the condition-free floor from the better-conditioned half, the slope from the rest.

    Args:
        right: variants that answered every case: an error without a size suggests none.
    """
    if not questions or not right:
        return tolerance
    noise = _noise(right)[: len(questions)]
    bounds = np.array([tolerance.bound(question.expected) for question in questions])
    scales = np.array([question.expected.scale for question in questions])
    conditions = np.array([question.expected.condition for question in questions])
    relative = noise * bounds / scales
    base = float(relative[conditions <= np.median(conditions)].max())
    slope = float(np.max(np.maximum(relative - base, 0.0) / conditions))
    return msgspec.structs.replace(
        tolerance, relative=_two_digits(SAFETY * base), per_condition=_two_digits(SAFETY * slope)
    )


def _families(
    exercise: Exercise, questions: Questions, noise: np.ndarray, survivors: np.ndarray
) -> Iterator[FamilyRow]:
    """Yield a row a family, in the order of their first cases."""
    probes = {family.name for family in exercise.families() if not family.budget}
    cases = [(one.case, one.expected, "") for one in questions.asked] + [*questions.unfit]
    for name in dict.fromkeys(case.family for case, _, _ in cases):
        at = [index for index, (case, _, _) in enumerate(cases) if case.family == name]
        yield FamilyRow(
            name,
            name in probes,
            len(at),
            dict(Counter(cases[index][2] for index in at if cases[index][2])),
            max(cases[index][1].condition for index in at),
            float(noise[at].max()),
            float(survivors[at].max()),
        )


def _two_digits(value: float) -> float:
    return float(f"{value:.1e}")
