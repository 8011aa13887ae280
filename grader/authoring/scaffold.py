"""Lay out the folder of a new exercise, and find the blanks that are left in one."""

import keyword
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from grader.errors import UsageError

BLANK = "BLANK"
_SUFFIX = ".template"


def lay_out(name: str, into: Path) -> Path:
    """Write a new exercise's folder and return it.

    Args:
        name: of the exercise; its function is called NAME_forward.
        into: a folder; it is made where it is not there.

    Raises:
        UsageError: the name, or its class's, is no Python name, or its folder is there already.
    """
    class_name = "".join(part.title() for part in name.split("_"))
    if not (name.islower() and _is_free(name) and _is_free(class_name)):
        raise UsageError(f"{name!r} is no name for an exercise: take lower case, such as my_block")
    folder = into / name
    words = {"name": name, "class_name": class_name}
    try:
        if folder.exists():
            raise UsageError(f"{folder} is there already; nothing was written")
        into.mkdir(parents=True, exist_ok=True)
        _copy(files("grader.authoring") / "templates", folder, words)
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror}") from error
    return folder


def _is_free(name: str) -> bool:
    """Whether Python takes a name of our own; "none" gives the class None, "_1x" gives 1X."""
    return name.isidentifier() and not keyword.iskeyword(name)


def refuse_blanks(folder: Path) -> None:
    """Make sure that nothing in an exercise's folder is still to be filled in.

    Raises:
        UsageError: something is, the text names the places; or a file cannot be read.
    """
    places = [
        f"{path.relative_to(folder)}:{number}"
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".py", ".toml", ".md") and path.is_file()
        for number, line in enumerate(_lines(path), 1)
        if BLANK in line
    ]
    if places:
        more = f" and {len(places) - 12} more" if len(places) > 12 else ""
        raise UsageError(f"{folder.name} has blanks to fill in: {', '.join(places[:12])}{more}")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except OSError as error:
        what_to_do = "make it readable, or move it out of the exercise's folder"
        raise UsageError(f"cannot read {path}: {error.strerror}; {what_to_do}") from error


def _copy(source: Traversable, target: Path, words: dict[str, str]) -> None:
    """Copy a tree of templates, filling in the words."""
    target.mkdir()
    for entry in source.iterdir():
        if entry.is_dir():
            _copy(entry, target / entry.name, words)
        elif entry.name.endswith(_SUFFIX):
            text = Template(entry.read_text(encoding="utf-8")).substitute(words)
            (target / entry.name.removesuffix(_SUFFIX)).write_text(text, encoding="utf-8")
