"""Keep what was graded on disk, so that nothing that ends the command loses a submission.

results.jsonl grows by one line a submission, each written whole and synced before the next is taken
up. When the batch is done the file is put in order: the last line of each submission, by name. A
line that was being written when the machine stopped has no end, and is cut off.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

import msgspec
from msgspec.structs import replace

from grader.batch.entry import Entry, Row
from grader.errors import UsageError
from grader.report.output import put, sync

RESULTS, MANIFEST, _LOCK = "results.jsonl", "batch.json", ".lock"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What all results of a folder have in common.

    Attributes:
        exercise, digest: name and sha256 of the exercise.
        seed, cases: of the suite that all are judged by.
        feedback: how much the students' reports show.
    """

    exercise: str
    digest: str
    seed: str
    cases: int
    feedback: str


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Name a folder that takes no more.

    Raises:
        UsageError: it may not be written, or its disk is full.
    """
    try:
        yield
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}") from error


class _Place(NamedTuple):
    """Where a row stands, and what tells whether it still holds."""

    order: tuple[str, str]
    offset: int
    stamp: str
    is_graded: bool


class Record:
    """The results of one batch. Use as a context manager: one command at a time has it.

    Raises:
        UsageError: the folder holds something else, another suite's results, or is in use.
    """

    def __init__(self, folder: Path, manifest: Manifest, *, resume: bool) -> None:
        self.folder = folder
        self._manifest = manifest
        self._places: dict[str, _Place] = {}
        self.originals: dict[str, str] = {}
        """Digest of a source that was graded, to the name of its reports."""
        with ExitStack() as opened, writing_to(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._refuse_other_folder(resume)
            self._take_lock(opened.enter_context(open(folder / _LOCK, "w")))
            self._take_up()
            self._file = open(folder / RESULTS, "ab")  # noqa: SIM115 - closed by __exit__
            self._held = opened.pop_all()

    def __enter__(self) -> "Record":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # a row that could not be written was named when it was added
            self._file.close()
        self._held.close()

    def __len__(self) -> int:
        return len(self._places)

    def holds(self, entry: Entry) -> bool:
        """Whether this very submission, unchanged since, has its result."""
        place = self._places.get(entry.id)
        return place is not None and place.is_graded and place.stamp == entry.stamp

    def add(self, row: Row) -> None:
        """Write a row; it is on disk when this returns.

        Raises:
            UsageError: the folder takes no more.
        """
        with writing_to(self.folder):
            self._append(row)
            os.fsync(self._file.fileno())

    def rename(self, entries: Iterable[Entry]) -> None:
        """Write again what an earlier run recorded of other students: it had another roster."""
        held = {entry.id: entry for entry in entries if self.holds(entry)}
        for row in self.rows():
            entry = held.get(row.id)
            if entry is not None and (row.students, row.late) != (entry.students, entry.late):
                self._append(replace(row, students=entry.students, late=entry.late))
        os.fsync(self._file.fileno())

    def rows(self) -> Iterator[Row]:
        """Yield the last row of every submission, by name; one at a time is in memory."""
        with open(self.folder / RESULTS, "rb") as file:
            for place in sorted(self._places.values()):
                file.seek(place.offset)
                yield msgspec.json.decode(file.readline(), type=Row)

    def put_in_order(self) -> None:
        """Replace the file by one that holds each submission once, by name."""
        path = self.folder / RESULTS
        partial = path.with_name(f".{RESULTS}.partial")
        places: dict[str, _Place] = {}
        with open(partial, "wb") as file:
            for row in self.rows():
                place = self._places[row.id]
                places[row.id] = place._replace(offset=file.tell())
                file.write(msgspec.json.encode(row) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._file.close()
        partial.replace(path)
        self._places = places
        self._file = open(path, "ab")  # noqa: SIM115 - closed by __exit__

    def _refuse_other_folder(self, resume: bool) -> None:
        """Neither mix two batches nor write into a folder that is something else."""
        path = self.folder / MANIFEST
        if not path.exists():
            others = [name for name in os.listdir(self.folder) if not name.startswith(".")]
            if others:
                raise UsageError(
                    f"{self.folder} is not empty and holds no batch; name another folder"
                )
            return
        if not resume:
            raise UsageError(
                f"{self.folder} holds a batch already; --resume goes on with it, "
                "or name another folder"
            )
        try:
            before = msgspec.json.decode(path.read_bytes(), type=Manifest)
        except msgspec.DecodeError as error:
            raise UsageError(f"{path} cannot be read ({error}); name another folder") from None
        for name in Manifest.__struct_fields__:
            then, now = getattr(before, name), getattr(self._manifest, name)
            if then != now:
                raise UsageError(
                    f"{self.folder} was graded with {name} {str(then)[:16]}, now it is "
                    f"{str(now)[:16]}: results of both would not compare; name another folder"
                )

    def _take_lock(self, lock: IO[str]) -> None:
        """Keep others out, then say what this folder holds."""
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"another batch writes to {self.folder} at this moment") from None
        put(
            msgspec.json.format(msgspec.json.encode(self._manifest)).decode() + "\n",
            self.folder / MANIFEST,
        )
        sync(self.folder)

    def _take_up(self) -> None:
        """Read what is there, and cut off a line without an end."""
        path = self.folder / RESULTS
        with suppress(FileNotFoundError), open(path, "r+b") as file:
            offset = 0
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    file.truncate(offset)
                    break
                try:
                    row = msgspec.json.decode(line, type=Row)
                except msgspec.DecodeError as error:
                    raise UsageError(f"{path}, line {number}, is no result ({error})") from None
                self._note(row, offset)
                offset += len(line)

    def _append(self, row: Row) -> None:
        offset = self._file.tell()
        self._file.write(msgspec.json.encode(row) + b"\n")
        self._file.flush()
        self._note(row, offset)

    def _note(self, row: Row, offset: int) -> None:
        order = (row.who.casefold(), row.id)
        self._places[row.id] = _Place(order, offset, row.stamp, row.is_graded)
        if row.is_graded and row.sha256:
            self.originals.setdefault(row.sha256, row.report)
