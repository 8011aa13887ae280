"""Lay out the forward pass as a row of stages, the first that differs marked."""

from collections.abc import Sequence
from typing import NamedTuple

from grader.model.report import Stage
from grader.report.html.compare import Comparison, compare, largest_difference
from grader.report.html.numbers import array, shaped
from grader.report.html.words import Mark


class Step(NamedTuple):
    """One stage as it is drawn.

    Attributes:
        state: "agrees", "first", "later" or "unknown": how it looks; the mark says the same.
        comparison: None where the report holds no numbers of it.
    """

    name: str
    state: str
    mark: Mark
    shape: str
    note: str
    comparison: Comparison | None


_MARKS = {
    "agrees": Mark("✓", "agrees"),
    "first": Mark("✗", "the first that differs"),
    "later": Mark("✗", "differs after the first"),
    "unknown": Mark("–", "not compared"),
}


def steps(stages: Sequence[Stage]) -> list[Step]:
    """Return the stages as steps, in the order of the forward pass."""
    first = next((at for at, stage in enumerate(stages) if stage.agrees is False), len(stages))
    return [_step(stage, at, first) for at, stage in enumerate(stages)]


def in_a_sentence(found: Sequence[Step]) -> str:
    """Return where yours leaves the reference; "" where no stage differs."""
    first = next((at for at, step in enumerate(found) if step.state == "first"), None)
    if first is None:
        return ""
    before = [step.name for step in found[:first] if step.state == "agrees"]
    if not before:
        return f"It differs from the start: {found[first].name}."
    return f"Everything compared up to {before[-1]} agrees; {found[first].name} does not."


def _step(stage: Stage, at: int, first: int) -> Step:
    state = "unknown" if stage.agrees is None else "agrees" if stage.agrees else "later"
    if at == first:
        state = "first"
    expected = array(stage.expected, stage.expected_shape)
    actual = array(stage.actual, stage.actual_shape)
    marked = largest_difference(expected, actual) if stage.agrees is False else None
    shape = shaped(stage.expected_shape)
    if stage.actual_shape is not None and stage.actual_shape != stage.expected_shape:
        shape = f"{shaped(stage.actual_shape)}, expected {shape}"
    empty = expected is None and actual is None
    comparison = None if empty else compare(f"stage{at}", expected, actual, marked)
    return Step(stage.name, state, _MARKS[state], shape, stage.note, comparison)
