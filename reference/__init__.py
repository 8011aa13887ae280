"""Hold what is right: one folder an exercise, found by its name, or anywhere by its path."""

import hashlib
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from grader.errors import UsageError
from grader.model import Exercise

DEFAULT = "resnet_classifier"


def names() -> list[str]:
    """List the exercises, in alphabetical order."""
    here = Path(__file__).parent
    return sorted(path.parent.name for path in here.glob("*/exercise.py"))


def load(name: str) -> Exercise:
    """Load an exercise; neither JAX nor Hypothesis is imported.

    Args:
        name: of an exercise of this package, or the path of a folder that holds an exercise.py; a
            path has a separator in it.

    Raises:
        UsageError: there is no such exercise, its exercise.py raises or defines none, or a file of
            its folder cannot be read.
    """
    if os.sep in name:
        return _exercise(_import(_package_of(Path(name)), name), name)
    if name not in names():
        known = ", ".join(names())
        raise UsageError(f"no exercise is called {name!r}; there are: {known}, or give ./a/folder")
    return _exercise(_import(f"reference.{name}", name), name)


def _import(package: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(f"{package}.exercise")
    except Exception as error:
        raise UsageError(f"{name}: exercise.py: {type(error).__name__}: {error}") from error


def _exercise(module: ModuleType, name: str) -> Exercise:
    exercise = getattr(module, "EXERCISE", None)
    if not isinstance(exercise, Exercise):
        raise UsageError(f"{name}: exercise.py defines no EXERCISE of type Exercise")
    try:
        _ = exercise.digest  # taken now, for it names every answer that is kept
    except OSError as error:
        raise UsageError(
            f"cannot read {error.filename}: {error.strerror}; make it readable, or move it out of "
            "the exercise's folder"
        ) from error
    return exercise


def _package_of(folder: Path) -> str:
    """Make a package of a folder, so that its exercise.py may import what is beside it."""
    if not (folder / "exercise.py").is_file():
        raise UsageError(f"{folder} holds no exercise.py")
    where = str(folder.resolve())
    if where.encode("utf-8", "replace").decode() != where:
        raise UsageError(f"the path {where!r} is no text, which many files must name: rename it")
    package = f"exercise_{hashlib.sha256(where.encode()).hexdigest()[:12]}"
    if package not in sys.modules:
        parent = ModuleType(package)
        parent.__path__ = [where]
        sys.modules[package] = parent
    return package
