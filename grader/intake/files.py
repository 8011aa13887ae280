"""Read regular files of an untrusted folder: follows no link, never blocks, all is bounded."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from grader.errors import InvalidSubmission
from grader.intake.choice import Found, is_noise
from grader.intake.limits import IntakeLimits, size
from grader.text import printable

# O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def read_file(path: Path | str, limit: int, *, folder: int | None = None) -> bytes:
    """Read one regular file.

    Args:
        path: the file; the last part of it may not be a link.
        limit: most bytes that the file may have; one more is read to know.
        folder: open descriptor that a relative path starts from.

    Raises:
        InvalidSubmission: a link, not a regular file, or too large.
        OSError: it cannot be opened or read.
    """
    shown = printable(Path(path).name)
    handle = os.open(path, _FILE, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise InvalidSubmission(f"{shown} is not a regular file; send the file itself.")
        with open(handle, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    finally:
        os.close(handle)
    if len(data) > limit:
        raise InvalidSubmission(f"{shown} is larger than {size(limit)}; send only the code.")
    return data


@contextmanager
def folder_files(path: Path, limits: IntakeLimits) -> Iterator[list[Found]]:
    """List the files of a folder, to be read while the context lasts.

    Raises:
        InvalidSubmission: more entries than allowed.
        OSError: the folder cannot be opened.
    """
    root = os.open(path, _FOLDER)
    try:
        yield sorted(_walk(root, limits), key=lambda found: found.path)
    finally:
        os.close(root)


def refuse_many_entries(count: int, limits: IntakeLimits) -> None:
    """Refuse a folder of more entries than are looked through.

    Raises:
        InvalidSubmission: it holds more.
    """
    if count > limits.entries:
        raise InvalidSubmission(
            f"The folder holds more than {limits.entries} entries; send only the code."
        )


def _walk(root: int, limits: IntakeLimits) -> Iterator[Found]:
    """Yield what lies in a folder and `limits.depth` folders down; links are not entered."""
    waiting: list[tuple[str, ...]] = [()]
    count = 0
    while waiting:
        above = waiting.pop()
        for entry in _entries(root, above):
            count += 1
            refuse_many_entries(count, limits)
            if is_noise(entry.name):
                continue
            parts = (*above, entry.name)
            if not entry.is_dir(follow_symlinks=False):
                yield Found("/".join(parts), partial(_read, root, parts), _refusal(entry))
            elif len(parts) <= limits.depth:
                waiting.append(parts)


def _entries(root: int, parts: tuple[str, ...]) -> Iterator["os.DirEntry[str]"]:
    """Yield a folder's entries; one that cannot be opened (any more) has none."""
    try:
        folder = _open_folder(root, parts)
    except OSError:
        return
    try:
        with os.scandir(folder) as entries:
            yield from entries
    finally:
        os.close(folder)


def _open_folder(root: int, parts: tuple[str, ...]) -> int:
    """Open a folder below `root` part by part, so that no part of the way can be a link."""
    folder = os.dup(root)
    for part in parts:
        try:
            deeper = os.open(part, _FOLDER, dir_fd=folder)
        finally:
            os.close(folder)
        folder = deeper
    return folder


def _read(root: int, parts: tuple[str, ...], limit: int) -> bytes:
    try:
        folder = _open_folder(root, parts[:-1])
        try:
            return read_file(parts[-1], limit, folder=folder)
        finally:
            os.close(folder)
    except OSError as error:
        reason = f"{printable('/'.join(parts))} cannot be read ({error.strerror})"
        raise InvalidSubmission(f"{reason}; send it as an ordinary file.") from None


def _refusal(entry: "os.DirEntry[str]") -> str:
    if entry.is_symlink():
        return "is a link"
    return "" if entry.is_file(follow_symlinks=False) else "is not a regular file"
