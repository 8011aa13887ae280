"""Hold the parts that web, workers and commands of the service share."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import reference
from grader.model import Exercise
from grader.service.database import Database
from grader.service.dispatch import Dispatch, NoDispatch
from grader.service.settings import Settings


@dataclass(frozen=True)
class Service:
    """What every part is handed.

    Attributes:
        exercises: by name: those that submissions may be for.
    """

    settings: Settings
    database: Database
    exercises: Mapping[str, Exercise]
    dispatch: Dispatch = field(default_factory=NoDispatch)


def load_exercises(settings: Settings) -> dict[str, Exercise]:
    """Load the exercises that are served.

    Raises:
        UsageError: one of them is not there.
    """
    loaded = [reference.load(name) for name in settings.exercises or reference.names()]
    return {exercise.name: exercise for exercise in loaded}
