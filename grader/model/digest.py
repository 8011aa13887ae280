"""Name an exercise by what is in its folder."""

import hashlib
from fnmatch import fnmatch
from pathlib import Path

_MADE = ("fixtures", "examples.json")
"""At the folder's top: what is made from the exercise does not change what is kept of it."""
_OF_EDITORS = ("*~", ".*.sw?", "4913", ".#*", "#*#", ".DS_Store")
"""What editors lay beside a file that is open; it comes and goes under a running grader."""


def digest_of(folder: Path) -> str:
    """Return sha256, hex, over names and bytes of a folder's files, as they are now.

    Raises:
        OSError: a file cannot be read; its `filename` says which.
    """
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        aside = inside.parts[0] in _MADE or "__pycache__" in inside.parts
        if aside or any(fnmatch(path.name, one) for one in _OF_EDITORS) or not path.is_file():
            continue
        total.update(f"{inside.as_posix()}\0".encode("utf-8", "surrogateescape"))
        total.update(hashlib.sha256(_read(path)).digest())
    return total.hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:  # one of reading, unlike one of opening, names no file
        raise OSError(error.errno, error.strerror, str(path)) from error
