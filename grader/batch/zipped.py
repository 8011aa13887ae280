"""Look into an archive that a learning platform exported: a class in one file; nothing is unpacked.

Who wrote it is trusted, what students sent is not: members are read as intake reads an archive of
one student, one at a time and bounded.
"""

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from grader.batch import exports
from grader.errors import UsageError
from grader.intake import Found, IntakeLimits
from grader.intake.archives import in_reach, member_file
from grader.intake.choice import is_noise
from grader.intake.files import refuse_many_entries
from grader.text import printable

_MOST_MEMBERS = 500_000
_MOST_METADATA_BYTES = 1 << 30
_LIMITS = IntakeLimits()


class Top(NamedTuple):
    """A file or folder at the top of the archive."""

    name: str
    place: str
    is_folder: bool
    stamp: object


class Archive:
    """An export, open for reading. Use as a context manager.

    Raises:
        UsageError: it is no archive, or holds more than any class sends.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, zlib.error, ValueError, RuntimeError, EOFError) as error:
            reason = printable(str(error), 80)
            raise UsageError(f"{path} is not a readable zip archive ({reason})") from None
        members = self._archive.infolist()
        if len(members) > _MOST_MEMBERS:
            raise UsageError(f"{path} holds more than {_MOST_MEMBERS} files; split it")
        named = [("/".join(_parts(one)), one) for one in members]
        self._files = {name: one for name, one in named if name and not one.is_dir()}
        self._folders = {name for name, one in named if name and one.is_dir()} - set(self._files)
        self._above = self._class_folder()
        self._below = self._by_top()

    def __enter__(self) -> "Archive":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._archive.close()

    def tops(self) -> Iterator[Top]:
        """Yield what lies at the top, or in the one folder that holds everything."""
        for place, names in self._below.items():
            files = [(name, self._files[name]) for name in names if name in self._files]
            stamps = [(name, one.CRC, one.file_size) for name, one in files]
            name = place[len(self._above) :].removesuffix("/")
            yield Top(name, place, place.endswith("/"), stamps)

    def metadata(self) -> bytes | None:
        """Return Gradescope's metadata, if there are any."""
        member = self._files.get(self._above + exports.METADATA)
        if member is None:
            return None
        with self._archive.open(member) as stream:
            return stream.read(_MOST_METADATA_BYTES)

    def files(self, place: str, name: str) -> list[Found]:
        """Return the file at a place by the name given, or the files of a folder by their own.

        Raises:
            InvalidSubmission: the folder holds more than intake would read of one.
        """
        if not place.endswith("/"):
            member = self._files.get(place)
            return [] if member is None else [member_file(self._archive, member, name)]
        below = sorted(one[len(place) :] for one in self._below.get(place, []))
        refuse_many_entries(_entered(below, _LIMITS.depth), _LIMITS)
        return [
            member_file(self._archive, self._files[place + one], one)
            for one in below
            if place + one in self._files and in_reach(one.split("/"), _LIMITS)
        ]

    def _class_folder(self) -> str:
        """Return the folder of an export, "a/b/"; else the one that everything lies in, or ""."""
        first = above = self._only_folder("")
        for _ in range(exports.DEEPEST):
            if exports.is_class(self._names(above)):
                return above
            deeper = self._only_folder(above)
            if not deeper:
                break
            above += deeper
        return first

    def _only_folder(self, above: str) -> str:
        """Return "folder/" when everything lies in one that is no student's; "" otherwise."""
        names = self._names(above)
        loose = any(above + name in self._files for name in names)
        if loose or len(names) != 1:
            return ""
        (only,) = names
        return "" if exports.is_students(only) else f"{only}/"

    def _names(self, above: str) -> set[str]:
        """Return the names of what lies in a folder that holds everything."""
        everything = (name for name in (*self._files, *self._folders) if name.startswith(above))
        names = {name[len(above) :].partition("/")[0] for name in everything}
        return {name for name in names if name and not is_noise(name)}

    def _by_top(self) -> dict[str, list[str]]:
        """Return, for each file and each folder ("a/") at the top, all that is or lies below it."""
        below: dict[str, list[str]] = {}
        for name in (*self._files, *self._folders):
            if not name.startswith(self._above):
                continue
            first, slash, _ = name[len(self._above) :].partition("/")
            if first and not is_noise(first):
                folder = bool(slash) or name in self._folders
                below.setdefault(self._above + first + "/" * folder, []).append(name)
        return below


def _entered(paths: Iterable[str], depth: int) -> int:
    """Count the entries that reading a folder meets: it enters no cache, and not every depth."""
    met = set()
    for path in paths:
        parts = path.split("/")
        for count, part in enumerate(parts[: depth + 1], 1):
            met.add("/".join(parts[:count]))
            if is_noise(part):
                break
    return len(met - {""})


def _parts(member: zipfile.ZipInfo) -> list[str]:
    """Split a member's name; "./hw//a.py" and "/hw/a.py" are "hw/a.py": nothing is unpacked."""
    return [part for part in member.filename.split("/") if part not in ("", ".")]
