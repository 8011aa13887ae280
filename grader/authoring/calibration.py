"""Measure noise and signal of an exercise's cases: does its bound separate right from wrong?

Noise is how far right variants lie from the float64 evaluation, signal how far misconceptions do,
both in units of the case's bound. The bound separates when the worst noise stays below half of it
and every misconception reaches twice of it somewhere: a right answer that rounds otherwise has
room, a faint mistake has none.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np

from grader.authoring.programs import AS_GRADED, Program
from grader.authoring.survey import Survey, errands
from grader.errors import SubmissionError, TimeLimitExceeded, UsageError
from grader.model import Exercise, Tolerance
from grader.questions import Question, Questions
from grader.run import Run

LARGEST_NOISE = 0.5
"""Of the bound: what right variants may reach."""
SMALLEST_SIGNAL = 2.0
"""Bounds: what every misconception must reach on some case."""
BLIND_SHARE = 0.5
"""A case that more than this share of the misconceptions survive tells right from wrong badly."""
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


class FamilyRow(msgspec.Struct, frozen=True):
    """What the cases of one family are worth.

    Attributes:
        unfit: why cases were thrown out, to how many.
        condition: largest one; see Exact.
        noise: largest error of any right variant, in bounds.
        survivors: largest share of the misconceptions that one of its cases lets pass.
    """

    family: str
    cases: int
    unfit: dict[str, int]
    condition: float
    noise: float
    survivors: float


class Calibration(msgspec.Struct, frozen=True):
    """What was measured.

    Attributes:
        noise: right variant to its largest error on a case that can judge, in bounds.
        signal: misconception to the same, the weakest first; those marked equivalent are left out.
        suggested: the exercise's tolerance with both floors at SAFETY times the measured noise.
        unloaded: misconception that could not be executed to the reason.
        unanswered: misconception that answered no case that can judge to the first exception.
        blind: number of cases that can judge, but let too many misconceptions pass.
        gap: the reference's own largest error in units of what rounding explains.
    """

    exercise: str
    digest: str
    seed: str
    cases: int
    unfit: dict[str, int]
    families: list[FamilyRow]
    noise: dict[str, float]
    signal: dict[str, float]
    unloaded: dict[str, str]
    unanswered: dict[str, str]
    blind: int
    gap: float
    tolerance: Tolerance
    suggested: Tolerance

    @property
    def worst_noise(self) -> float:
        """Largest error of a right variant, in bounds."""
        return max(self.noise.values(), default=0.0)

    @property
    def weakest_signal(self) -> float:
        """What the faintest misconception reaches, in bounds."""
        return min(self.signal.values(), default=0.0)

    @property
    def problems(self) -> list[str]:
        """Why the bound does not separate right from wrong; empty when it does."""
        found = []
        if sum(self.unfit.values()) == self.cases:
            found.append("no case of the suite can be judged by")
        if self.gap > 1.0:
            found.append(explain_gap(self.gap))
        found += [
            f"noise: the right variant {name} reaches {reached:.2g} of its bound, where "
            f"{LARGEST_NOISE:g} is allowed"
            for name, reached in self.noise.items()
            if reached > LARGEST_NOISE
        ]
        found += [
            f"signal: the misconception {name} reaches {reached:.2g} bounds at most, where "
            f"{SMALLEST_SIGNAL:g} are needed"
            for name, reached in self.signal.items()
            if reached < SMALLEST_SIGNAL
        ]
        found += [
            f"signal: the misconception {name} gives an answer, but import fails: {why}"
            for name, why in self.unloaded.items()
        ]
        if self.blind:
            share = f"{BLIND_SHARE:.0%} of the misconceptions"
            found.append(f"blind: {self.blind} cases that are asked let more than {share} pass")
        return found

    @property
    def cautions(self) -> list[str]:
        """What no value has told."""
        return [explain_silence(name, why) for name, why in self.unanswered.items()]


def explain_gap(gap: float) -> str:
    """Say what a gap above 1 means."""
    return (
        f"exact: the reference is {gap:.3g} times as far from exact.py as rounding explains; one "
        "of the two computes another function"
    )


def explain_silence(name: str, why: str) -> str:
    """Say what a misconception that answers no case leaves open.

    Args:
        why: the first exception.
    """
    return (
        f"misconception {name} answers no case, so that no value tells it; see that its edit is "
        f"not mistyped: {why}"
    )


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
        families=list(_families(questions, noise, survivors)),
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
    questions: Questions, noise: np.ndarray, survivors: np.ndarray
) -> Iterator[FamilyRow]:
    """Yield a row a family, in the order of their first cases."""
    cases = [(one.case, one.expected, "") for one in questions.asked] + [*questions.unfit]
    for name in dict.fromkeys(case.family for case, _, _ in cases):
        at = [index for index, (case, _, _) in enumerate(cases) if case.family == name]
        yield FamilyRow(
            name,
            len(at),
            dict(Counter(cases[index][2] for index in at if cases[index][2])),
            max(cases[index][1].condition for index in at),
            float(noise[at].max()),
            float(survivors[at].max()),
        )


def _two_digits(value: float) -> float:
    return float(f"{value:.1e}")
