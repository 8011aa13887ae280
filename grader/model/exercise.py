"""Describe an exercise as data: its contract, cases, tolerance, rubric and structure."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Value = float | np.ndarray
"""An argument: a Python float, or a float32 array."""

Arguments = Mapping[str, Value]
"""The arguments of one call, by name."""


class Argument(msgspec.Struct, frozen=True):
    """One parameter of the student's function.

    Attributes:
        kind: "integer" is passed as a float that the student casts; "array" is float32.
        sizes: an integer that decides an array's size, so that another value compiles anew.
    """

    name: str
    kind: Literal["integer", "array"]
    sizes: bool = False


class Criterion(msgspec.Struct, frozen=True):
    """One line of the rubric."""

    id: str
    title: str
    points: int


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
        budget: relative share of the suite's cases; each family has at least one.
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
    """

    output: np.ndarray
    scale: float
    condition: float


@dataclass(frozen=True)
class Expected:
    """What the oracle says about one case.

    Attributes:
        exact: float64, the truth that both sides are measured against.
        reference: float32, what the reference returned: one more noisy right answer.
        scale, condition: see Exact.
        seconds: wall-clock time that the reference took, compilation included.
    """

    exact: np.ndarray
    reference: np.ndarray
    scale: float
    condition: float
    seconds: float


class Tolerance(msgspec.Struct, frozen=True):
    """How far a right answer may lie from the exact one; the numbers are measured.

    The bound of a case is scale * (relative + per_condition * condition) + gap_factor * gap, where
    gap is the reference's own largest float32 error on that case.

    Attributes:
        largest_condition: cases above it are thrown out: too ill-conditioned to judge by.
        smallest_scale: cases below it are thrown out: every answer is nearly zero.
    """

    relative: float
    per_condition: float
    gap_factor: float
    largest_condition: float
    smallest_scale: float

    def bound(self, expected: Expected) -> float:
        """Return the largest |actual - exact| that a right answer may show on this case."""
        gap = float(np.max(np.abs(expected.reference - expected.exact), initial=0.0))
        noise = self.relative + self.per_condition * expected.condition
        return expected.scale * noise + self.gap_factor * gap

    def judges(self, expected: Expected) -> bool:
        """Whether right and wrong can be told apart on this case."""
        fine = expected.condition <= self.largest_condition
        return fine and expected.scale >= self.smallest_scale


class Layer(msgspec.Struct, frozen=True):
    """One attribute that the root must have.

    Attributes:
        kind: a Flax nnx class name ("Conv", "BatchNorm", "Linear"); "" for a module of the
            student's own that is made of `layers`.
        settings: hyperparameters that must have these values.
        layers: kinds of its own layers, in the order of their calls.
    """

    name: str
    kind: str = ""
    settings: dict[str, Any] = {}
    layers: tuple["Layer", ...] = ()


class Pooling(msgspec.Struct, frozen=True):
    """The input of `target` must be the mean of `source`'s output over `axes`."""

    source: str
    target: str
    axes: tuple[int, ...]


class Structure(msgspec.Struct, frozen=True):
    """What the student's module must look like, and do.

    Attributes:
        root: class name; it must derive from nnx.Module.
        flag: parameter of the root's __call__ that chooses running statistics.
        layers: attributes, in the order of their calls.
        pooling: the reduction between two of them.
        once: layers that must be called exactly once.
    """

    root: str
    flag: str
    layers: tuple[Layer, ...]
    pooling: Pooling | None = None
    once: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exercise:
    """A contract, an oracle, an input strategy, a tolerance, a structure and a rubric.

    Attributes:
        folder: holds solution.py, exact.py, misconceptions/ and statement.md.
        entry: the student's function.
        file_names: what the submission may be called, best first.
        families: loads the input strategies; they need Hypothesis, so not before a suite is made.
        simpler: from a failing case to a strategy of simpler ones; shrinks towards the simplest.
        watched: the case on which the structure is observed.
    """

    name: str
    title: str
    version: str
    folder: Path
    entry: str
    file_names: tuple[str, ...]
    arguments: tuple[Argument, ...]
    cases: int
    tolerance: Tolerance
    rubric: tuple[Criterion, ...]
    families: Callable[[], tuple[Family, ...]]
    simpler: "Callable[[Arguments], SearchStrategy[Arguments]]"
    watched: Arguments
    structure: Structure | None = None
    notes: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """sha256, hex, over names and bytes of the folder's files."""
        total = hashlib.sha256()
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                total.update(f"{path.relative_to(self.folder).as_posix()}\0".encode())
                total.update(hashlib.sha256(path.read_bytes()).digest())
        return total.hexdigest()

    @property
    def default_seed(self) -> str:
        """Hex; another version of the exercise has another suite."""
        return hashlib.sha256(f"{self.name} {self.version}".encode()).hexdigest()[:16]

    def shape(self, case: Case) -> tuple[int, ...]:
        """Everything about a case that decides what must be compiled."""
        sizes: list[int] = []
        for argument in self.arguments:
            value = case.arguments[argument.name]
            if argument.kind == "array":
                sizes.extend(np.shape(value))
            elif argument.sizes:
                sizes.append(int(value))
        return tuple(sizes)
