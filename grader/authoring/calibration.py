"""Say whether an exercise's bound separates right from wrong, by what was measured.

Noise is how far right variants lie from the float64 evaluation, signal how far misconceptions do,
both in units of the case's bound. The bound separates when the worst noise stays below half of it
and every misconception reaches twice of it somewhere: a right answer that rounds otherwise has
room, a faint mistake has none.
"""

import msgspec

from grader.model import Tolerance

LARGEST_NOISE = 0.5
"""Of the bound: what right variants may reach."""
SMALLEST_SIGNAL = 2.0
"""Bounds: what every misconception must reach on some case."""
BLIND_SHARE = 0.5
"""A case that more than this share of the misconceptions survive tells right from wrong badly."""


class FamilyRow(msgspec.Struct, frozen=True):
    """What the cases of one family are worth.

    Attributes:
        is_probe: whether its cases are in no suite, and only show what cannot be judged by.
        unfit: why cases were thrown out, to how many.
        condition: largest one; see Exact.
        noise: largest error of any right variant, in bounds.
        survivors: largest share of the misconceptions that one of its cases lets pass.
    """

    family: str
    is_probe: bool
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
        suggested: the exercise's tolerance with floors that the measured noise explains.
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
        silent = [explain_silence(name, why) for name, why in self.unanswered.items()]
        return silent + [
            f"family {row.family}: none of its cases can be judged by "
            f"({', '.join(row.unfit)}), so that no suite asks what it is for"
            for row in self.families
            if not row.is_probe and sum(row.unfit.values()) == row.cases
        ]


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
