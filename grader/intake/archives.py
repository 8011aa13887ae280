"""List the members of an untrusted zip file and inflate one into memory; nothing is extracted."""

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from grader.errors import InvalidSubmission
from grader.intake.choice import Found, is_noise
from grader.intake.limits import IntakeLimits, size
from grader.text import printable

_CENTRAL_ENTRY = b"PK\x01\x02"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_DRIVE = re.compile(r"[A-Za-z]:")
_MISLEADING = re.compile(
    r"[\\\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)
"""What makes a path read as another one: backslash, control characters, those of direction, and a
blank that is none."""
_OF_WRITING = dict.fromkeys(map(ord, "\u200c\u200d\ufe0e\ufe0f\u00a0\u202f\u3000"))
"""Joiners (Persian, Hindi), how an emoji is drawn, and the blanks of French and Japanese."""
# What zipfile lets out on damaged input; ValueError covers names that are not UTF-8, OverflowError
# an offset beyond every file.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    OverflowError,
    RuntimeError,
)


@contextmanager
def archive_files(data: bytes, limits: IntakeLimits) -> Iterator[list[Found]]:
    """List the files of a zip archive, to be read while the context lasts.

    Args:
        data: the archive, whole.

    Raises:
        InvalidSubmission: not a zip, too many members, or a name that leads out of the archive.
    """
    # zipfile builds an object for every entry before it can be asked how many there are. An
    # archive stored within this one has entries too, hence the wider bound here.
    if data.count(_CENTRAL_ENTRY) > 10 * limits.entries:
        raise _too_many(limits)
    with _opened(data) as archive:
        members = archive.infolist()
        if len(members) > limits.entries:
            raise _too_many(limits)
        for member in members:
            _check_way_out(member)
        yield [
            _refused_if_unusual(member_file(archive, member, "/".join(parts)))
            for member in members
            if in_reach(parts := _parts(member), limits) and not member.is_dir()
        ]


def member_file(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: str) -> Found:
    """Return one member as a file to choose from, by whatever path it is to be known."""
    return Found(path, partial(_inflate, archive, member, printable(path)), _refusal(member))


def _opened(data: bytes) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.BytesIO(data))
    except _DAMAGE as error:
        reason = f"The file is not a readable zip archive ({printable(str(error), 80)})"
        raise InvalidSubmission(f"{reason}; zip it again.") from None


def _too_many(limits: IntakeLimits) -> InvalidSubmission:
    return InvalidSubmission(
        f"The archive holds more than {limits.entries} members; send only the code."
    )


def _check_way_out(member: zipfile.ZipInfo) -> None:
    """Refuse a name that an unpacking program would follow out of its folder ("zip slip")."""
    name = member.orig_filename  # `filename` is already cut at a NUL
    parts = re.split(r"[/\\]", name)
    if "\0" in name or parts[0] == "" or ".." in parts or _DRIVE.match(name):
        raise InvalidSubmission(
            f"The archive has a member named {printable(name, 80)}, which leads out of it; "
            "zip only the folder with the code."
        )


def _parts(member: zipfile.ZipInfo) -> list[str]:
    """Split a member's name; "./hw//a.py" is "hw/a.py"."""
    return [part for part in member.orig_filename.split("/") if part not in ("", ".")]


def in_reach(parts: list[str], limits: IntakeLimits) -> bool:
    """Whether a file is looked at: not too far down, nowhere in what tools leave behind."""
    return 0 < len(parts) <= limits.depth + 1 and not any(is_noise(part) for part in parts)


def _refusal(member: zipfile.ZipInfo) -> str:
    """Return why a member may not be read, or nothing."""
    mode = member.external_attr >> 16
    refusals = {
        "is a link": stat.S_ISLNK(mode),
        "is not a regular file": stat.S_IFMT(mode) not in (0, stat.S_IFREG),
        "is encrypted": bool(member.flag_bits & _ENCRYPTED),
        "is compressed in an unusual way": member.compress_type not in _METHODS,
    }
    return next((reason for reason, holds in refusals.items() if holds), "")


def _refused_if_unusual(found: Found) -> Found:
    if found.refusal or _is_usual(found.path):
        return found
    return Found(found.path, found.read, "has an unusual name")


def _is_usual(path: str) -> bool:
    """Whether a name is what it looks like; folders may be called what their owners like."""
    name = path.rpartition("/")[2].translate(_OF_WRITING)
    return _MISLEADING.search(path) is None and printable(name, len(name) + 3) == name


def _inflate(archive: zipfile.ZipFile, member: zipfile.ZipInfo, shown: str, limit: int) -> bytes:
    """Return a member's bytes; the declared size is not trusted, one byte too many is read."""
    try:
        with archive.open(member) as stream:
            data = stream.read(limit + 1)
    except _DAMAGE as error:
        reason = f"{shown} cannot be unpacked ({printable(str(error), 80)})"
        raise InvalidSubmission(f"{reason}; zip it again.") from None
    if len(data) > limit:
        raise InvalidSubmission(f"{shown} is larger than {size(limit)}; send only the code.")
    return data
