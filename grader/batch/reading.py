"""Read the submission that an entry names, as intake reads any."""

import os
import stat
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from grader.batch.entry import Entry
from grader.batch.zipped import Archive
from grader.errors import UsageError
from grader.intake import Found, IntakeLimits, read_found, read_submission
from grader.intake.files import folder_files, read_file
from grader.model import Exercise, Submission
from grader.text import printable

_LIMITS = IntakeLimits()


class Reader:
    """Reads the submissions of one folder or archive for one exercise."""

    def __init__(self, source: Path, exercise: Exercise) -> None:
        self._source, self._exercise = source, exercise
        self._archive = None if source.is_dir() else Archive(source)

    def read(self, entry: Entry) -> Submission:
        """Read a submission.

        Raises:
            InvalidSubmission: what was sent is none.
            UsageError: it is not there any more, or may not be opened.
            InternalError: the process that parses could not be run.
        """
        names, entry_point = self._exercise.file_names, self._exercise.entry
        if self._archive is None and len(entry.pieces) == 1:
            (piece,) = entry.pieces
            path = self._source / os.fsdecode(piece.place)
            if path.is_dir() or piece.name == path.name:
                return read_submission(
                    path, file_names=names, entry=entry_point
                )  # as if it were graded alone
        with ExitStack() as opened:
            try:
                return read_found(self._found(entry, opened), file_names=names, entry=entry_point)
            except OSError as error:
                shown = printable(entry.id)
                raise UsageError(f"{shown} cannot be opened ({error.strerror})") from None

    def _found(self, entry: Entry, opened: ExitStack) -> list[Found]:
        """Return the files of all pieces, by the names that the student gave them."""
        found: list[Found] = []
        for piece in entry.pieces:
            if self._archive is not None:
                place = piece.place.decode("utf-8", "surrogatepass")
                found += self._archive.files(place, piece.name)
                continue
            path = self._source / os.fsdecode(piece.place)
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                found += opened.enter_context(folder_files(path, _LIMITS))
            else:
                refusal = "" if stat.S_ISREG(mode) else "is not a regular file"
                found.append(Found(piece.name, partial(read_file, path), refusal))
        return found
