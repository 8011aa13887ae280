"""Describe an exercise as data: its contract, rubric and structure."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from grader.model.case import Arguments, Case, Family, Tolerance
from grader.model.digest import digest_of

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


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


def _refuse_odd_points(rubric: tuple[Criterion, ...]) -> None:
    """Refuse points that no report could hold, and a criterion that stands there twice."""
    for one in rubric:
        if type(one.points) is not int or one.points < 0:
            raise ValueError(
                f"{one.id} has {one.points!r} points; they are whole numbers from 0 on"
            )
    twice = {one.id for one in rubric if [other.id for other in rubric].count(one.id) > 1}
    if twice:
        raise ValueError(f"the rubric has a criterion twice: {', '.join(sorted(twice))}")


class Layer(msgspec.Struct, frozen=True):
    """One attribute that the root must have.

    Attributes:
        kind: a Flax nnx class name ("Conv", "BatchNorm", "Linear"); "" for a module of the
            student's own that is made of `layers`.
        settings: hyperparameters that must have these values.
        layers: kinds of its own layers, in the order of their calls.
        given: name of what it is given, where that is not the output of the layer before.
    """

    name: str
    kind: str = ""
    settings: dict[str, Any] = {}
    layers: tuple["Layer", ...] = ()
    given: str = ""

    def __post_init__(self) -> None:
        """Refuse what nothing would look at."""
        if self.layers and (self.kind or self.settings):
            raise ValueError(
                f"{self.name} is a module of the student's own, made of layers: its kind and its "
                "settings would not be looked at"
            )
        deep = [one.name for one in self.layers if one.layers]
        if deep:
            raise ValueError(
                f"{self.name} holds {deep[0]}, which has layers of its own: only one level of a "
                "module's layers is looked at"
            )


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

    def __post_init__(self) -> None:
        """Refuse what is asked of a layer that there is not."""
        names = [layer.name for layer in self.layers]
        ends = () if self.pooling is None else (self.pooling.source, self.pooling.target)
        for field, asked in (("once", self.once), ("pooling", ends)):
            unknown = [name for name in asked if name not in names]
            if unknown:
                raise ValueError(
                    f"{field} names {', '.join(unknown)}, which is not among layers: "
                    f"{', '.join(names)}"
                )

    @property
    def needed(self) -> tuple[str, ...]:
        """Criteria without which part of this would be asked of nobody."""
        asked = {
            "blocks_called": self.once,
            "running_average_flag": self.flag,
            "global_average_pooling": self.pooling,
        }
        return (*(layer.name for layer in self.layers), *(name for name in asked if asked[name]))


@dataclass(frozen=True)
class Exercise:
    """A contract, an oracle, an input strategy, a tolerance, a structure and a rubric.

    Attributes:
        folder: holds solution.py, exact.py, misconceptions/ and statement.md.
        entry: the student's function.
        file_names: what the submission may be called, best first.
        families: loads the input strategies; they need Hypothesis, so not before a suite is made.
        simpler: from a failing case to a strategy of simpler ones; shrinks towards the simplest.
        to_watch: draws the arguments on which the structure is observed; they need NumPy, which a
            file that cannot be read does not.
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
    to_watch: Callable[[], Arguments]
    structure: Structure | None = None

    def __post_init__(self) -> None:
        """Refuse a rubric that names what nothing judges, or leaves out what the structure asks."""
        if self.cases < 1:
            raise ValueError(f"a suite of {self.cases} cases asks nothing; it has at least 1")
        known = {"runs", "result", "values", "forward"}
        needed = () if self.structure is None else self.structure.needed
        if self.structure is not None:
            # Whatever is asked once, the order of the layers is judged with it.
            known |= {"class", "blocks_called", *needed}
        named = [criterion.id for criterion in self.rubric]
        missing = [name for name in needed if name not in named]
        if missing:
            raise ValueError(
                f"the structure asks for what has no criterion in the rubric: {', '.join(missing)}"
            )
        _refuse_odd_points(self.rubric)
        unknown = [name for name in named if name not in known]
        if unknown:
            raise ValueError(
                f"the rubric has criteria that nothing judges: {', '.join(unknown)}; there are: "
                f"{', '.join(sorted(known))}"
            )

    @cached_property
    def digest(self) -> str:
        """sha256, hex, of the folder's files, fixtures and examples aside."""
        return digest_of(self.folder)

    @property
    def has_changed(self) -> bool:
        """Whether a file is no longer what it was when the digest was taken."""
        return digest_of(self.folder) != self.digest

    @cached_property
    def watched(self) -> Arguments:
        """The arguments on which the structure is observed."""
        return self.to_watch()

    @property
    def seed(self) -> str | None:
        """The argument that decides the weights: the first integer that decides no size."""
        found = (one.name for one in self.arguments if one.kind == "integer" and not one.sizes)
        return next(found, None)

    @property
    def fixtures(self) -> Path:
        """Stored submissions: in the exercise's own folder, or in fixtures/NAME beside reference/.

        Right ones lie in accepted/, wrong ones in rejected/.
        """
        own = self.folder / "fixtures"
        return own if own.is_dir() else self.folder.parent.parent / "fixtures" / self.name

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
                sizes.extend(getattr(value, "shape", ()))
            elif argument.sizes:
                sizes.append(int(value))
        return tuple(sizes)
