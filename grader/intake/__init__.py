"""Turn what a student sent, a file, notebook, zip archive or folder, into a Submission.

Everything here is hostile. Nothing is extracted, executed or followed; every limit counts bytes
really read. What is wrong with the thing itself is InvalidSubmission, the student's to mend; a path
that names nothing, or nothing that may be opened, is UsageError, the caller's.
"""

import hashlib
import stat
from collections.abc import Sequence
from pathlib import Path

from grader.errors import InvalidSubmission, UsageError
from grader.intake.choice import Found, choose
from grader.intake.files import folder_files, read_file
from grader.intake.limits import IntakeLimits
from grader.intake.notebooks import notebook_source
from grader.intake.source import checked_source
from grader.model import Submission
from grader.text import printable

__all__ = ["Found", "IntakeLimits", "read_found", "read_submission"]

_DEFAULT = IntakeLimits()
_NAME_LIMIT = 100


def read_submission(
    path: Path, *, file_names: Sequence[str], entry: str, limits: IntakeLimits = _DEFAULT
) -> Submission:
    """Read a submission.

    Args:
        path: a .py file, a .ipynb notebook, a .zip archive, or a folder.
        file_names: names expected in a folder or archive, the best first.
        entry: the function to be graded; it decides when no name does.
        limits: how much to read.

    Returns:
        The source to judge: of a notebook its code cells, else the file without byte order mark.

    Raises:
        InvalidSubmission: what lies there cannot be a submission; the message says what to do.
        UsageError: nothing lies there, or it may not be opened.
        InternalError: the process that parses could not be run.
    """
    if "\0" in str(path):
        raise UsageError(f"{printable(str(path))} cannot be opened; a path holds no NUL.")
    try:
        name, data = _read(path, file_names, entry, limits)
    except OSError as error:
        shown = printable(str(path))
        what = "its permissions" if isinstance(error, PermissionError) else "the path"
        raise UsageError(f"{shown} cannot be opened ({error.strerror}); check {what}.") from None
    return _submission(name, data, limits)


def read_found(
    found: Sequence[Found],
    *,
    file_names: Sequence[str],
    entry: str,
    limits: IntakeLimits = _DEFAULT,
) -> Submission:
    """Read a submission that was exported as loose files.

    Args:
        found: the files, by the names that the student gave them; the one to judge is chosen as
            in a folder.
        file_names, entry, limits: as for read_submission.

    Raises:
        InvalidSubmission, InternalError: as read_submission.
    """
    return _submission(*_read_chosen(found, file_names, entry, limits), limits)


def _submission(name: str, data: bytes, limits: IntakeLimits) -> Submission:
    """Check what was read and give it its name."""
    if name.lower().endswith(".ipynb"):
        data = notebook_source(data)
    source = checked_source(data, limits)
    return Submission(printable(name, _NAME_LIMIT), source, hashlib.sha256(source).hexdigest())


def _read(
    path: Path, file_names: Sequence[str], entry: str, limits: IntakeLimits
) -> tuple[str, bytes]:
    """Return the name and the bytes of the one file to judge."""
    mode = path.lstat().st_mode
    suffix = path.suffix.lower()

    if stat.S_ISDIR(mode):
        with folder_files(path, limits) as found:
            return _read_chosen(found, file_names, entry, limits)
    if not stat.S_ISREG(mode):
        kind = "a link" if stat.S_ISLNK(mode) else "not a regular file"
        raise InvalidSubmission(f"{printable(path.name)} is {kind}; send the file itself.")
    if suffix == ".zip":
        data = read_file(path, limits.archive_bytes)
        return _read_archive(path.name, data, file_names, entry, limits)
    if suffix not in (".py", ".ipynb"):
        raise InvalidSubmission(
            f"{printable(path.name)} is not a submission; send a .py, .ipynb or .zip file."
        )
    return path.name, read_file(path, limits.of(path.name))


def _read_chosen(
    found: Sequence[Found], file_names: Sequence[str], entry: str, limits: IntakeLimits
) -> tuple[str, bytes]:
    """Return the name and the bytes of the one file to judge; an archive is opened if it must be.

    Learning platforms export a folder a student, and in it what was sent: often one archive.
    """
    code = any(file.name.lower().endswith((".py", ".ipynb")) for file in found)
    archives = [file for file in found if file.name.lower().endswith(".zip") and not file.refusal]
    if not code and len(archives) == 1:
        data = archives[0].read(limits.archive_bytes)
        return _read_archive(archives[0].path, data, file_names, entry, limits)
    file = choose(found, file_names=file_names, entry=entry, limits=limits)
    return file.path, file.read(limits.of(file.name))


def _read_archive(
    name: str, data: bytes, file_names: Sequence[str], entry: str, limits: IntakeLimits
) -> tuple[str, bytes]:
    """Return the name and the bytes of the one file to judge in a zip archive."""
    from grader.intake.archives import archive_files

    with archive_files(data, limits) as found:
        file = choose(found, file_names=file_names, entry=entry, limits=limits)
        return f"{name}:{file.path}", file.read(limits.of(file.name))
