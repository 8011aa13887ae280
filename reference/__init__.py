"""Hold what is right: one folder an exercise, found by its name."""

import importlib
from pathlib import Path

from grader.errors import UsageError
from grader.model import Exercise

DEFAULT = "resnet_classifier"


def names() -> list[str]:
    """List the exercises, in alphabetical order."""
    here = Path(__file__).parent
    return sorted(path.parent.name for path in here.glob("*/exercise.py"))


def load(name: str) -> Exercise:
    """Load an exercise by name; neither JAX nor Hypothesis is imported.

    Raises:
        UsageError: there is no such exercise.
    """
    if name not in names():
        raise UsageError(f"no exercise is called {name!r}; there are: {', '.join(names())}")
    exercise = importlib.import_module(f"reference.{name}.exercise").EXERCISE
    assert isinstance(exercise, Exercise)
    return exercise
