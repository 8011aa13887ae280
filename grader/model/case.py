"""Describe one case: its arguments, what the oracle says of it, how far an answer may differ."""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from hypothesis.strategies import SearchStrategy

Value: TypeAlias = "float | np.ndarray"
"""An argument: a Python float, or a float32 array."""

Arguments = Mapping[str, Value]
"""The arguments of one call, by name."""


@dataclass(frozen=True)
class Case:
    """One generated input.

    Attributes:
        arguments: by name, in the order of the function's parameters.
        family: name of the family that it was generated for.
    """

    arguments: Arguments
    family: str = ""

    @cached_property
    def digest(self) -> str:
        """sha256, hex, over names, dtypes, shapes and bytes of the arguments."""
        import numpy as np

        total = hashlib.sha256()
        for name, value in self.arguments.items():
            array = np.asarray(value)
            total.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
            total.update(array.tobytes())
        return total.hexdigest()


@dataclass(frozen=True)
class Suite:
    """The cases of one grading, in order.

    Attributes:
        seed: hex, what the cases were generated from.
    """

    seed: str
    cases: tuple[Case, ...]

    @cached_property
    def digest(self) -> str:
        """sha256, hex, over the cases' digests in order."""
        return hashlib.sha256("".join(case.digest for case in self.cases).encode()).hexdigest()


@dataclass(frozen=True)
class Family:
    """Cases that are generated for one reason.

    Attributes:
        budget: relative share of the suite's cases; each family has at least one. With 0 the
            family is in no suite: calibration alone draws it, to show what is thrown out.
        strategy: from the cases drawn so far to a strategy of arguments.
        smallest_suite: the family is left out of suites with fewer cases.
    """

    name: str
    budget: int
    strategy: "Callable[[Sequence[Arguments]], SearchStrategy[Arguments]]"
    smallest_suite: int = 0


@dataclass(frozen=True)
class Exact:
    """The float64 evaluation of the reference's float32 parameters.

    Attributes:
        output: float64.
        scale: largest sum of |terms| behind an output: max |output| where nothing cancels.
        condition: largest E[x^2] / (Var[x] + epsilon) of any normalisation: how many times
            its cancellation magnifies float32 rounding.
        spread: smallest Var[x] / (Var[x] + epsilon) of any normalisation, its best feature counted:
            0 where a layer sees a constant, so that it returns its bias whatever the input.
    """

    output: "np.ndarray"
    scale: float
    condition: float
    spread: float = 1.0


@dataclass(frozen=True)
class Expected:
    """What the oracle says about one case.

    Attributes:
        exact: float64, the truth that both sides are measured against.
        reference: float32, what the reference returned: one more noisy right answer.
        scale, condition, spread: see Exact.
        seconds: wall-clock time that the reference took, compilation included.
    """

    exact: "np.ndarray"
    reference: "np.ndarray"
    scale: float
    condition: float
    spread: float
    seconds: float

    @property
    def gap(self) -> float:
        """The reference's own largest float32 error: max |reference - exact|."""
        return float(abs(self.reference - self.exact).max(initial=0.0))

    @property
    def is_finite(self) -> bool:
        """Whether the reference itself has an answer to this case."""
        import numpy as np

        numbers = (self.scale, self.condition, self.spread)
        arrays = (self.reference, self.exact)
        return all(map(math.isfinite, numbers)) and all(np.isfinite(one).all() for one in arrays)


class Tolerance(msgspec.Struct, frozen=True):
    """How far a right answer may lie from the exact one; the numbers are measured.

    The bound of a case is scale * (relative + per_condition * condition) + gap_factor * gap, where
    gap is the reference's own largest float32 error on that case.

    Attributes:
        gap_factor: the safety factor: how many times the reference's own error others may make.
        largest_condition: cases above it are thrown out: too ill-conditioned to judge by.
        smallest_scale: cases below it are thrown out: every answer is nearly zero.
        smallest_spread: cases below it are thrown out: every answer is nearly the same.
    """

    relative: float
    per_condition: float
    gap_factor: float
    largest_condition: float
    smallest_scale: float
    smallest_spread: float = 0.0

    def bound(self, expected: Expected) -> float:
        """Return the largest |actual - exact| that a right answer may show on this case."""
        return self.floor(expected) + self.gap_factor * expected.gap

    def floor(self, expected: Expected) -> float:
        """Return the part of the bound that float32 rounding explains, whatever the gap is."""
        return expected.scale * (self.relative + self.per_condition * expected.condition)

    def unfit(self, expected: Expected) -> str | None:
        """Say why right and wrong cannot be told apart on this case; None when they can."""
        if not expected.is_finite:
            return "not finite"
        if expected.spread < self.smallest_spread:
            return "blind"
        if expected.condition > self.largest_condition:
            return "ill-conditioned"
        is_zero = expected.scale <= 0.0  # no error is measured on it, whatever an author allows
        return "nearly zero" if is_zero or expected.scale < self.smallest_scale else None
