"""Judge one submission within the time and the folders that a platform leaves us."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn

from grader.bench import ReferenceBench
from grader.environment import cache_folder
from grader.errors import InvalidSubmission
from grader.model import Exercise, Report
from grader.platforms import log
from grader.text import printable

_AFTER_EXPLAINING = 0.3
_MOST_AFTER_EXPLAINING_S = 15.0
"""Share of the time that is kept for the watched call and the transplant, which give points: 1.5
CPU seconds, or 4 when the oracle has to be started for them."""


def grade(
    exercise: Exercise, path: Path, *, sandbox: str, end: float, is_students: bool = False
) -> Report:
    """Judge one submission by its exercise's own suite.

    Args:
        path: file or folder.
        end: on the monotonic clock; what has not been answered by then is out of time.
        is_students: the student puts it there, below the current folder: when it is missing, or
            lies behind a link to elsewhere, that is theirs to mend.

    Raises:
        UsageError: there is no such file, or not even its folder, or no such wall.
        SandboxError: no wall works here.
        OracleError: the cache cannot be used.
    """
    kept = min(_MOST_AFTER_EXPLAINING_S, _AFTER_EXPLAINING * (end - time.monotonic()))
    with (
        usable_cache() as folder,
        ReferenceBench(
            exercise, folder, sandbox=sandbox, end=end, variants_until=end - kept
        ) as bench,
    ):
        problem = _problem(path) if is_students else ""
        read = bench.read_by(partial(_refuse, problem), path.name) if problem else bench.read(path)
        return read if isinstance(read, Report) else bench.grade(read)


def _problem(path: Path) -> str:
    """Return what is wrong with where a student put something; nothing if it can be read."""
    shown = printable(path.name)
    if not os.path.lexists(path) and path.parent.is_dir():
        return f"There is no {shown} in the submission; send a file of that name."
    here = Path.cwd()
    is_within = Path(os.path.normpath(here / path)).is_relative_to(here)
    if is_within and not path.parent.resolve().is_relative_to(here.resolve()):
        return f"{shown} lies behind a link that leads out of the submission; send the file itself."
    return ""


def _refuse(problem: str) -> NoReturn:
    raise InvalidSubmission(problem)


@contextmanager
def usable_cache() -> Iterator[Path]:
    """Yield the cache's folder; a copy of it where this user cannot write, as in some images."""
    folder = cache_folder()
    if not folder.exists() or os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="grader-") as temporary:
        Path(temporary).chmod(0o711)  # a worker with another uid goes through to the programs
        copy = Path(temporary) / "cache"
        if not _copy(folder, copy):
            log.line(f"grader: {folder} cannot be read; all is computed anew")
        yield copy


def _copy(folder: Path, copy: Path) -> bool:
    """Copy what can be read; return whether that is all of it, the expected values included."""
    whole = os.access(folder / "expected.sqlite", os.R_OK)
    for place, _, names in os.walk(folder):
        target = copy / Path(place).relative_to(folder)
        target.mkdir(mode=0o711, parents=True)
        for name in names:
            try:
                shutil.copyfile(Path(place) / name, target / name)
            except PermissionError:
                whole = False
    if (copy / "expected.sqlite").exists():
        (copy / "expected.sqlite").chmod(0o600)
    return whole
