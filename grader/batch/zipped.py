"""Look into an archive that a learning platform exported: a class in one file; nothing is unpacked.

Who wrote it is trusted, what students sent is not: members are read as intake reads an archive of
one student, one at a time and bounded.
"""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from grader.batch import exports
from grader.errors import UsageError
from grader.intake import Found
from grader.intake.archives import member_file
from grader.intake.choice import is_noise
from grader.text import printable

_MOST_MEMBERS = 500_000
_MOST_METADATA_BYTES = 1 << 30


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
        members = [one for one in self._archive.infolist() if not one.is_dir()]
        if len(members) > _MOST_MEMBERS:
            raise UsageError(f"{path} holds more than {_MOST_MEMBERS} files; split it")
        named = [(_parts(one), one) for one in members]
        self._members = {
            "/".join(parts): one for parts, one in named if parts and not any(map(is_noise, parts))
        }
        self._above = self._class_folder()

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
        stamps: dict[tuple[str, bool], list[object]] = {}
        for name, member in self._members.items():
            first, slash, _ = name[len(self._above) :].partition("/")
            stamp = (name, member.CRC, member.file_size)
            stamps.setdefault((first, bool(slash)), []).append(stamp)
        for (first, is_folder), stamped in stamps.items():
            yield Top(first, self._above + first + ("/" if is_folder else ""), is_folder, stamped)

    def metadata(self) -> bytes | None:
        """Return Gradescope's metadata, if there are any."""
        member = self._members.get(self._above + exports.METADATA)
        if member is None:
            return None
        with self._archive.open(member) as stream:
            return stream.read(_MOST_METADATA_BYTES)

    def files(self, place: str, name: str) -> list[Found]:
        """Return the file at a place by the name given, or the files of a folder by their own."""
        if not place.endswith("/"):
            member = self._members.get(place)
            return [] if member is None else [member_file(self._archive, member, name)]
        return [
            member_file(self._archive, member, one[len(place) :])
            for one, member in self._members.items()
            if one.startswith(place)
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
        loose = any(above + name in self._members for name in names)
        if loose or len(names) != 1:
            return ""
        (only,) = names
        return "" if exports.is_students(only) else f"{only}/"

    def _names(self, above: str) -> set[str]:
        """Return the names of what lies in a folder that holds everything."""
        return {name[len(above) :].partition("/")[0] for name in self._members}


def _parts(member: zipfile.ZipInfo) -> list[str]:
    """Split a member's name; "./hw//a.py" and "/hw/a.py" are "hw/a.py": nothing is unpacked."""
    return [part for part in member.filename.split("/") if part not in ("", ".")]
