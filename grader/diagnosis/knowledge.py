"""Know an exercise's reference and its misconceptions: their texts, and what they show."""

from functools import cached_property

from grader.model import Arguments, Exercise, Observation, Structure
from grader.oracle import Oracle
from grader.variants import Misconception, edit, read_misconceptions


class Knowledge:
    """What diagnosis needs of an exercise; everything is read and run when it is first asked for.

    Attributes:
        exercise, oracle: as given.
    """

    def __init__(self, exercise: Exercise, oracle: Oracle) -> None:
        self.exercise, self.oracle = exercise, oracle

    @cached_property
    def solution(self) -> str:
        """Text of the reference."""
        return (self.exercise.folder / "solution.py").read_text(encoding="utf-8")

    @cached_property
    def misconceptions(self) -> dict[str, Misconception]:
        """Every misconception by id, those marked equivalent too."""
        return read_misconceptions(self.exercise.folder)

    @cached_property
    def telling(self) -> dict[str, Misconception]:
        """Those that some input can tell from the reference."""
        return {name: one for name, one in self.misconceptions.items() if not one.equivalent}

    @cached_property
    def texts(self) -> dict[str, str]:
        """Misconception to the whole text of the variant."""
        return {
            name: edit(self.solution, one.replace, name=name)
            for name, one in self.misconceptions.items()
        }

    def reference(self, arguments: Arguments, structure: Structure) -> Observation:
        """Return what a watched call of the reference shows."""
        seen = self.oracle.observe(self.solution, arguments, structure)
        assert seen is not None
        return seen

    def watched(self, text: str, structure: Structure) -> Observation | None:
        """Return what a variant shows on the watched arguments; None if it cannot be loaded."""
        return self.oracle.observe(text, self.exercise.watched, structure)
