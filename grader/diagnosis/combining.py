"""Find two misconceptions that together explain a submission, where no single one does.

Trying all pairs would cost ten thousand runs. The stages of one watched call narrow them down: the
first mistake is one that accounts for the first stage that differs from the reference, the second
is one whose own effect begins where the first no longer accounts for what is seen.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from grader.diagnosis.stages import first_difference, trace
from grader.errors import InternalError
from grader.model import Observation, Structure
from grader.variants import Misconception, edit

MOST_PAIRS = 60
"""Pairs that are run; one costs 0.03 CPU s for each case, once."""

_RESULT = "result"
"""Where a mistake shows that leaves every stage as it is."""


class Combiner:
    """Propose pairs of misconceptions, the likely ones only.

    Args:
        observe: from a variant's text to its watched call on the exercise's watched arguments.
        relative: difference that rounding explains, of a stage's largest element.
    """

    def __init__(
        self,
        structure: Structure,
        solution: str,
        known: Mapping[str, Misconception],
        observe: Callable[[str], Observation | None],
        relative: float,
    ) -> None:
        self._structure, self._solution, self._known = structure, solution, known
        self._observe, self._relative = observe, relative

    def pairs(self, seen: Observation) -> Iterator[tuple[tuple[str, str], str]]:
        """Yield names and text of at most MOST_PAIRS programs with two mistakes.

        Args:
            seen: the watched submission.
        """
        reference = self._observe(self._solution)
        assert reference is not None
        start = self._departs(reference, seen)
        variants = {name: self._observe(self._text([one])) for name, one in self._known.items()}
        shown = {n: v for n, v in variants.items() if v is not None and v.error is None}
        begins = {name: self._departs(reference, variant) for name, variant in shown.items()}
        proposed: set[frozenset[str]] = set()
        for first in (name for name, where in begins.items() if where == start):
            rest = self._departs(shown[first], seen)
            if self._place(rest) <= self._place(start):
                continue
            for second in (name for name, where in begins.items() if where == rest):
                pair = frozenset((first, second))
                text = self._text([self._known[first], self._known[second]])
                if len(pair) == 2 and pair not in proposed and text:
                    proposed.add(pair)
                    yield (first, second), text
                if len(proposed) == MOST_PAIRS:
                    return

    def _text(self, mistakes: Sequence[Misconception]) -> str:
        """Return the text with these mistakes; "" where their edits are in each other's way."""
        edits = [pair for one in mistakes for pair in one.replace]
        try:
            return edit(self._solution, edits, name="two mistakes")
        except InternalError:
            return ""

    def _departs(self, left: Observation, right: Observation) -> str:
        """Return the layer, or what it is given, at which two watched calls part."""
        first, _ = first_difference(trace(self._structure, left, right, self._relative))
        return _RESULT if first is None else first.partition(".")[0]

    def _place(self, name: str) -> int:
        """Position of a stage in the order of the forward pass."""
        order = [stage for layer in self._structure.layers for stage in (layer.given, layer.name)]
        return order.index(name) if name in order else len(order)
