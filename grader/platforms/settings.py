"""Read grading.toml: which exercise, how much students see, the platform's own options."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grader.platforms import NAMES
from grader.platforms.platform import Platform

FEEDBACK = ("full", "counterexample", "category", "score")
_KEYS = ("exercise", "feedback", "budget_s")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the instructor chose.

    Attributes:
        exercise: its name, or the path of its folder; empty for the default one.
        budget_s: in place of the platform's own; 0 keeps that.
        options: the platform's section, every option present.
    """

    exercise: str = ""
    feedback: str = "full"
    budget_s: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)


def read(path: Path | str | None, platform: Platform) -> Settings:
    """Return the settings in a file; the defaults where there is no file, or "" names none.

    A relative path of an exercise counts from the file's own folder.

    Raises:
        ValueError: the file cannot be used; the text names the key and what it may be.
    """
    path = Path(path) if path else None
    if path is None or not path.exists():
        return Settings(options=platform.options)
    try:
        # -sig: editors of Windows begin a file with a mark that TOML does not know.
        found = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    for key, value in found.items():
        if key not in _KEYS and key not in NAMES:
            raise ValueError(f"{path}: {key} is no setting; there are {', '.join(_KEYS)}")
        if key in NAMES and not isinstance(value, dict):
            raise ValueError(f"{path}: {key} must be a section, [{key}]")
    given = _checked({k: v for k, v in found.items() if k in _KEYS}, _DEFAULTS, str(path))
    if given["feedback"] not in FEEDBACK:
        raise ValueError(f"{path}: feedback must be one of {', '.join(FEEDBACK)}")
    options = _checked(found.get(platform.name, {}), platform.options, f"{path}: {platform.name}")
    for key, value in options.items():
        if isinstance(value, dict):  # tables name exercises
            options[key] = {name: _exercise(one, path) for name, one in value.items()}
    return Settings(
        exercise=_exercise(given["exercise"], path),
        feedback=given["feedback"],
        budget_s=given["budget_s"],
        options=options,
    )


_DEFAULTS: Mapping[str, Any] = {"exercise": "", "feedback": "full", "budget_s": 0.0}


def _exercise(name: str, path: Path) -> str:
    """A name stays; a path, known by its separator, is made absolute."""
    return str((path.absolute().parent / name).resolve()) if "/" in name else name


def _checked(given: Mapping[str, Any], defaults: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return every option; each must be of its default's kind."""
    for key, value in given.items():
        if key not in defaults:
            raise ValueError(f"{where}: {key} is no option; there are {', '.join(defaults)}")
        wanted, got = type(defaults[key]), type(value)
        if got is not wanted and not (wanted is float and got is int):
            raise ValueError(f"{where}: {key} must be {_KINDS[wanted]}, not {value!r}")
        if isinstance(value, (int, float)) and not 0 <= value < 1e9:
            raise ValueError(f"{where}: {key} must be within 0 and 1e9, not {value!r}")
        items = value.values() if isinstance(value, dict) else value
        if isinstance(value, (list, dict)) and not all(isinstance(one, str) for one in items):
            raise ValueError(f"{where}: {key} must hold strings alone")
    return {**defaults, **given}


_KINDS = {
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list of strings",
    dict: "a table of strings",
}
