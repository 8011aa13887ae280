"""Run what an exercise's author wrote to draw inputs, and hold it to the contract.

Hypothesis is given nothing of its surroundings, so the same exercise and seed give the same inputs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import numpy as np
from hypothesis.errors import NoSuchExample
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from grader.errors import ExerciseError, GraderError
from grader.model import Arguments, Exercise
from grader.text import printable


class _WithoutConstantsOfModules:
    """Keep Hypothesis from drawing what it finds in the source of the modules that are loaded.

    One number in twenty is such a constant, of modules outside of site-packages: in a checkout a
    suite was another one for each command that made it, and after each edit. It has no setting for
    this; both names are its own, and missing them is an error. The second keeps what it found.

    They are the whole process's, and suites are drawn in several threads: the first that comes in
    changes them, and the last that goes puts them back.
    """

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._found, self._kept = providers._get_local_constants, providers.CONSTANTS_CACHE

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._found, self._kept = providers._get_local_constants, providers.CONSTANTS_CACHE
                none = Constants()
                providers._get_local_constants = lambda: none
                providers.CONSTANTS_CACHE = type(self._kept)(self._kept.max_size)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                providers._get_local_constants = self._found
                providers.CONSTANTS_CACHE = self._kept


without_constants_of_modules = _WithoutConstantsOfModules()


def in_order(exercise: Exercise, arguments: Arguments, drawn_by: str = "strategy.py") -> Arguments:
    """Order arguments as the function's parameters are: a strategy may name them in any order."""
    names = [argument.name for argument in exercise.arguments]
    if set(names) != set(arguments):
        raise ExerciseError(
            f"{exercise.name}: the contract has the arguments {', '.join(names)}, {drawn_by} "
            f"draws {', '.join(arguments)}"
        )
    for argument in exercise.arguments:
        value = arguments[argument.name]
        is_integer = argument.kind == "integer"
        if not (isinstance(value, float) if is_integer else _is_float32(value)):
            wanted = "an integer, as a float" if is_integer else "a float32 array"
            given = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else repr(value)
            raise ExerciseError(
                f"{exercise.name}: {argument.name} is {wanted}; {drawn_by} draws {given[:80]}"
            )
    return {name: arguments[name] for name in names}


def _is_float32(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.float32


@contextmanager
def blaming(exercise: Exercise, place: str) -> Iterator[None]:
    """What an exercise's own code raises is its author's to mend."""
    try:
        yield
    except (GraderError, NoSuchExample):
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {printable(str(error))}"
        raise ExerciseError(f"{exercise.name}: {place}: {said}") from error
