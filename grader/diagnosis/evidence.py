"""Hold what is known about why a submission is wrong."""

from dataclasses import dataclass, field

from grader.diagnosis.matching import Match
from grader.diagnosis.patterns import Pattern
from grader.model import Stage
from grader.trial import Failure


@dataclass
class Evidence:
    """What is known about why a submission is wrong.

    Attributes:
        pattern: looked for where no misconception explains the answers, or they are all zeros.
        stages: of the counterexample.
        failures: wrong answers that no single mistake explains.
        two: two misconceptions that explain them together.
        other_weights: path of the first layer with weights of its own, where the forward pass is
            right with the reference's.
    """

    match: Match | None = None
    pattern: Pattern | None = None
    stages: list[Stage] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    two: tuple[str, str] | None = None
    other_weights: str | None = None
