"""Find the submissions in a folder, or in an archive that a learning platform exported."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from grader.batch import exports, gradescope
from grader.batch.entry import Entry, Piece, Student
from grader.batch.exports import Named
from grader.batch.zipped import Archive
from grader.errors import UsageError
from grader.intake.choice import is_noise
from grader.text import printable

_SUFFIXES = (".py", ".ipynb", ".zip")
_MOST_STAMPED = 1000
"""Entries of one folder that are looked at for changes: as many as intake reads."""


class Item(NamedTuple):
    """One thing that lies in what is graded.

    Attributes:
        place: below the folder or archive.
        marks: yields what changes when it is changed.
    """

    name: str
    place: bytes
    is_folder: bool
    marks: Callable[[], Iterable[object]]


class Gathered(NamedTuple):
    """What was found.

    Attributes:
        ignored: names of files that are no submission.
        platform: whose export it is; "" for nobody's.
    """

    entries: list[Entry]
    ignored: list[str]
    platform: str


def gather(source: Path) -> Gathered:
    """List the submissions of a folder, or of a .zip archive, by name.

    Raises:
        UsageError: nothing lies there, it may not be opened, or there is no submission in it.
    """
    try:
        mode = source.stat().st_mode
        if stat.S_ISDIR(mode):
            items, metadata = _in_folder(source)
        elif source.suffix.lower() == ".zip":
            items, metadata = _in_archive(source)
        else:
            raise UsageError(f"{source} is neither a folder nor a .zip archive")
    except OSError as error:
        raise UsageError(f"cannot read {source}: {error.strerror}") from error
    owners = gradescope.read_owners(metadata) if metadata is not None else {}
    gathered = _grouped(items, owners)
    if not gathered.entries:
        raise UsageError(
            f"{source} holds no submission: no folder, and no .py, .ipynb or .zip file"
        )
    return gathered


def _in_folder(source: Path) -> tuple[list[Item], bytes | None]:
    root = _class_in(source)
    below = b"" if root == source else os.fsencode(root.relative_to(source)) + b"/"
    items = []
    with os.scandir(root) as found:
        for one in found:
            if not is_noise(one.name):
                place = below + os.fsencode(one.name)
                folder = one.is_dir(follow_symlinks=False)
                items.append(Item(one.name, place, folder, partial(_marks, one.path)))
    metadata = root / exports.METADATA
    return items, metadata.read_bytes() if metadata.is_file() else None


def _class_in(source: Path) -> Path:
    """Return the folder of an export, where it lies in others that hold nothing else."""
    root = source
    for _ in range(exports.DEEPEST):
        names = [name for name in os.listdir(root) if not is_noise(name)]
        if exports.is_class(names):
            return root
        if len(names) != 1 or exports.is_students(names[0]):
            break
        root = root / names[0]
        is_open = root.is_dir() and os.access(root, os.R_OK | os.X_OK)
        if root.is_symlink() or not is_open:  # one student's, and the job will say so
            break
    return source


def _marks(path: str) -> Iterator[tuple[str, int, int]]:
    """Yield name, size and time of a file, or of what lies in a folder; bounded."""
    waiting, seen = [path], 0
    while waiting and seen < _MOST_STAMPED:
        above = waiting.pop()
        try:
            facts = os.lstat(above)
            if stat.S_ISDIR(facts.st_mode):
                waiting += sorted(os.path.join(above, name) for name in os.listdir(above))
            else:
                yield os.path.relpath(above, path), facts.st_size, facts.st_mtime_ns
        except OSError:  # it may not be read: the job will say so
            continue
        seen += 1


def _in_archive(source: Path) -> tuple[list[Item], bytes | None]:
    with Archive(source) as archive:
        metadata = archive.metadata()
        return [
            Item(
                one.name,
                one.place.encode("utf-8", "surrogatepass"),
                one.is_folder,
                partial(list, [one.stamp]),
            )
            for one in archive.tops()
        ], metadata


def _grouped(items: Sequence[Item], owners: Mapping[str, list[Student]]) -> Gathered:
    """Put together what one student sent: Moodle and Canvas export some as several files."""
    items = sorted(items, key=lambda item: item.name)
    names = [item.name for item in items]
    canvas = exports.all_from_canvas(names)
    groups: dict[str, list[tuple[Item, Named | None]]] = {}
    ignored, platforms = [], set()
    for item in items:
        platform, named = _named(item, canvas)
        platforms.add(platform)
        if named is not None:
            groups.setdefault(f"{platform} {named.owner}", []).append((item, named))
        elif item.is_folder or item.name.lower().endswith(_SUFFIXES):
            groups.setdefault(f"/{item.name}", []).append((item, None))
        elif item.name != exports.METADATA:
            ignored.append(printable(item.name))
    entries = sorted((_entry(group, owners) for group in groups.values()), key=lambda one: one.id)
    known = sorted(platforms - {""})
    told_apart = _named_apart(_distinct(entries))
    return Gathered(told_apart, ignored, known[0] if len(known) == 1 else "")


def _named(item: Item, canvas: bool) -> tuple[str, Named | None]:
    """Return the platform whose name it is, and what the name tells."""
    found = exports.from_moodle(item.name)
    if found is not None:
        return "Moodle", found
    if item.is_folder:
        found = exports.from_gradescope(item.name)
        return ("", None) if found is None else ("Gradescope", found)
    return ("Canvas", exports.from_canvas(item.name)) if canvas else ("", None)


def _entry(
    group: Sequence[tuple[Item, Named | None]], owners: Mapping[str, list[Student]]
) -> Entry:
    first, named = group[0]
    pieces = [
        Piece(item.place, _text(item.name if told is None or not told.file else told.file))
        for item, told in group
    ]
    stamped = hashlib.sha256()
    for item, _ in group:
        stamped.update(repr((item.place, list(item.marks()))).encode("utf-8", "surrogatepass"))
    students = owners.get(first.name, [])
    if named is not None and not students and (named.student_id or named.student_name):
        students = [Student(_text(named.student_id), _text(named.student_name))]
    late = any(told is not None and told.late for _, told in group)
    return Entry(_text(first.name), pieces, stamped.hexdigest()[:16], list(students), late)


def _distinct(entries: Sequence[Entry]) -> list[Entry]:
    """Tell apart names that look the same once they are text."""
    seen: dict[str, int] = {}
    distinct = []
    for one in entries:
        count = seen[one.id] = seen.get(one.id, 0) + 1
        changed = one.id if count == 1 else f"{one.id} ({count})"
        distinct.append(Entry(changed, one.pieces, one.stamp, one.students, one.late))
    return distinct


def _named_apart(entries: Sequence[Entry]) -> list[Entry]:
    """Add the id to a name that several have: Moodle writes "Participant" where it hides them."""
    ids: dict[str, set[str]] = {}
    for one in entries:
        for student in one.students:
            ids.setdefault(student.name, set()).add(student.id)

    def told_apart(student: Student) -> Student:
        shared = student.name and student.id and len(ids[student.name]) > 1
        return replace(student, name=f"{student.name} {student.id}") if shared else student

    return [replace(one, students=[*map(told_apart, one.students)]) for one in entries]


def _text(name: str) -> str:
    r"""Return a name as text that every encoder takes: what is no text comes out as \udcXX."""
    return name.encode("utf-8", "backslashreplace").decode()
