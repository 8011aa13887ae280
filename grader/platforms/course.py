"""Name what is packed for a platform: the settings and exercises of a course, as files."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.errors import UsageError
from grader.model import Exercise
from grader.platforms.archives import File
from grader.platforms.platform import Platform
from grader.platforms.settings import Settings

Files = dict[str, File]


@dataclass(frozen=True, kw_only=True)
class Course:
    """What is packed.

    Attributes:
        exercises: as the settings name them, with the exercise of each.
        image: name of the grading image that the platform can pull.
    """

    platform: Platform
    settings: Settings
    exercises: Mapping[str, Exercise]
    image: str

    @property
    def first(self) -> Exercise:
        """The exercise that gives the upload its name."""
        return next(iter(self.exercises.values()))

    @property
    def file(self) -> str:
        """The name that a student's file should have; an exercise may leave it open."""
        return next(iter(self.first.file_names), "submission.py")


def source_files(course: Course) -> Files:
    """Return grading.toml and the folders of exercises that are not part of this package."""
    files: Files = {}
    renamed = {}
    for named, exercise in course.exercises.items():
        renamed[named] = name_in_package(named, exercise)
        if "/" not in named:
            continue
        if f"{exercise.folder.name}/exercise.py" in files:
            raise UsageError(f"two exercises lie in folders called {exercise.folder.name}")
        files |= {f"{exercise.folder.name}/{name}": f for name, f in _folder(exercise.folder)}
    files["grading.toml"] = File(_settings(course, renamed).encode())
    return files


def name_in_package(named: str, exercise: Exercise) -> str:
    """Return how an exercise is called from the folder of grading.toml."""
    return f"./{exercise.folder.name}" if "/" in named else exercise.name


def _folder(folder: Path) -> Iterator[tuple[str, File]]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and inside.parts[0] != "fixtures" and "__pycache__" not in inside.parts:
            name = inside.as_posix()
            if name.encode("utf-8", "replace").decode() != name:
                raise UsageError(f"no archive can hold {name!r} of {folder}: rename or remove it")
            yield name, File(_read(path))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror}; make it readable, or move it out of the folder"
        ) from error


def _settings(course: Course, renamed: Mapping[str, str]) -> str:
    """Return the settings as TOML, every option of the platform named."""
    settings, platform = course.settings, course.platform
    lines = [f"# Settings of nnx-grader on {platform.title}; see docs/platforms."]
    lines.append(f"exercise = {_toml(renamed.get(settings.exercise, settings.exercise))}")
    lines.append(f"feedback = {_toml(settings.feedback)}")
    lines.append(f"budget_s = {settings.budget_s or platform.budget_s:g}")
    if settings.options:
        lines += ["", f"[{platform.name}]"]
    for key, value in settings.options.items():
        lines.append(f"{key} = {_toml(value, renamed)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any, renamed: Mapping[str, str] | None = None) -> str:
    """Return a value as TOML: its numbers are JSON's."""
    if isinstance(value, dict):
        named = {key: (renamed or {}).get(one, one) for key, one in value.items()}
        pairs = (f"{quoted(key)} = {quoted(one)}" for key, one in named.items())
        return "{ " + ", ".join(pairs) + " }" if value else "{}"
    if isinstance(value, list):
        return f"[{', '.join(quoted(one) for one in value)}]"
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def quoted(text: str) -> str:
    """Return a text in quotation marks, as both TOML and YAML read it.

    JSON's pairs of surrogates are an error in either, and so is DEL as it is.
    """
    shown = json.dumps(text, ensure_ascii=False)
    return "".join(
        one if one.isprintable() or one > "\uffff" else f"\\u{ord(one):04x}" for one in shown
    )
