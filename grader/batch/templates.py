"""Keep the templates that the workers of all jobs are forked from.

They hold most of the memory that a batch takes, and none of the answers.
"""

from collections.abc import Callable, Sequence

from grader.model import Sandbox
from grader.sandbox.choice import can_lend, lend
from grader.sandbox.lending import Lent
from grader.sandbox.setup import Step

OpenWall = Callable[[Sequence[Step]], Sandbox]
"""Chooses the wall; is given what a warm template rehearses."""


class Templates:
    """Those of one wall, once it is open."""

    def __init__(self, open_wall: OpenWall) -> None:
        self._open_wall = open_wall
        self._wall: Sandbox | None = None

    def open(self, rehearsal: Sequence[Step]) -> None:
        """Choose the wall, and keep it where it has templates.

        Raises:
            UsageError, SandboxError: no wall can be opened.
        """
        wall = self._open_wall(rehearsal)
        if can_lend(wall):
            self._wall = wall
        else:
            wall.close()

    @property
    def are_open(self) -> bool:
        """Whether there are any to lend."""
        return self._wall is not None

    def lend(self) -> dict[str, Lent]:
        """Return one of each kind for a job; none before the wall is open, or after it is closed.

        Raises:
            SandboxError: one does not start.
        """
        return {} if self._wall is None else lend(self._wall)

    def close(self) -> None:
        """End them, and the workers of all jobs with them."""
        wall, self._wall = self._wall, None
        if wall is not None:
            wall.close()
