"""Hold the parts that web, workers and commands of the service share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import httpx
from sqlalchemy.orm import Session

import reference
from grader.errors import UsageError
from grader.model import Exercise
from grader.service.database import Database
from grader.service.dispatch import Dispatch, NoDispatch
from grader.service.metrics import Metrics
from grader.service.settings import Settings
from grader.service.tables import Result, Submission


class Listener(Protocol):
    """Told of each new result in the transaction that records it."""

    def __call__(
        self, service: "Service", session: Session, submission: Submission, result: Result
    ) -> None:
        """Plan what is to be sent about a result."""


@dataclass(frozen=True)
class Service:
    """What every part is handed.

    Attributes:
        exercises: by name: those that submissions may be for.
        client: calls addresses that others gave, guarded.
        listeners: told of each new result, in the transaction that records it.
    """

    settings: Settings
    database: Database
    exercises: Mapping[str, Exercise]
    client: httpx.Client
    dispatch: Dispatch = field(default_factory=NoDispatch)
    listeners: tuple[Listener, ...] = ()
    metrics: Metrics = field(default_factory=Metrics)


def load_exercises(settings: Settings) -> dict[str, Exercise]:
    """Load the exercises that are served.

    Raises:
        UsageError: one of them is not there, or two of them have one name.
    """
    loaded: dict[str, Exercise] = {}
    for named in settings.exercises or reference.names():
        exercise = reference.load(named)
        other = loaded.setdefault(exercise.name, exercise)
        if other.folder.resolve() != exercise.folder.resolve():
            raise UsageError(
                f"two exercises are called {exercise.name}: {other.folder}, {exercise.folder}"
            )
    return loaded


def exercise_called(name: str, exercises: Mapping[str, Exercise]) -> Exercise:
    """Return the exercise of this name.

    Raises:
        UsageError: it is not among those that are served.
    """
    if name not in exercises:
        raise UsageError(
            f"no exercise is called {name!r}; there are: {', '.join(sorted(exercises))}"
        )
    return exercises[name]
