"""Lay out the smallest failing case: what went in, what came out, what should have."""

from typing import NamedTuple

from grader.model import Counterexample, Image
from grader.report.html.compare import Comparison, compare, lone
from grader.report.html.numbers import array, described, shaped, written
from grader.report.html.planes import Plane


class Scalar(NamedTuple):
    """An argument that is one number."""

    name: str
    value: str


class Picture(NamedTuple):
    """An argument that is an array; limit: end of its colour scale."""

    name: str
    shape: str
    says: str
    planes: list[Plane]
    limit: str
    notes: list[str]


class Example(NamedTuple):
    """The counterexample as it is drawn.

    Attributes:
        worst: a sentence about the element that misses by most; "" for none.
        snippet: lines of Python.
    """

    scalars: list[Scalar]
    pictures: list[Picture]
    expected_shape: str
    returned: str
    answer: Comparison
    worst: str
    snippet: list[str]


def example(found: Counterexample) -> Example:
    """Return the parts to be drawn."""
    arguments = enumerate(found.arguments.items())
    parts = [(at, name, value) for at, (name, value) in arguments]
    expected = array(found.expected, found.expected_shape)
    actual = array(found.actual, found.actual_shape)
    marked = found.worst.index if found.worst is not None else None
    shape = found.actual_shape
    return Example(
        scalars=[Scalar(name, f"{v:.17g}") for _, name, v in parts if not isinstance(v, Image)],
        pictures=[_picture(at, name, v) for at, name, v in parts if isinstance(v, Image)],
        expected_shape=shaped(found.expected_shape),
        returned="nothing that can be compared" if shape is None else shaped(shape),
        answer=compare("answer", expected, actual, marked),
        worst=_worst(found),
        snippet=found.snippet.splitlines(),
    )


def _picture(at: int, name: str, image: Image) -> Picture:
    values = array(image.values, image.shape)
    if values is None:
        return Picture(name, shaped(image.shape), "", [], "", [])
    return Picture(name, shaped(image.shape), described(values), *lone(f"argument{at}", values))


def _worst(found: Counterexample) -> str:
    worst = found.worst
    if worst is None:
        return ""
    place = ", ".join(map(str, worst.index))
    actual = float(worst.actual)
    return (
        f"Result[{place}] is {written(actual)}; expected {written(worst.expected)}. "
        f"The error is {written(float(worst.error), 2)}; {written(worst.bound, 2)} is allowed."
    )
