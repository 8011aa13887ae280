"""Read a roster: a CSV file that says which student an id is.

What platforms export is understood by the names of its columns: Moodle's grading worksheet,
Canvas' gradebook, Gradescope's roster; so is a plain file of ids and names.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from grader.batch.entry import Entry, Student
from grader.errors import UsageError
from grader.text import printable

_COLUMNS = {
    "id": ("id", "user_id", "userid", "identifier", "sid", "student id", "student_id", "username"),
    "name": ("name", "full name", "student", "student name", "student_name", "fullname"),
    "first": ("first name", "first_name", "firstname", "given name"),
    "last": ("last name", "last_name", "lastname", "surname", "family name"),
    "email": ("email", "email address", "e-mail", "mail"),
}
"""What a column is called, the best name first."""
_TEXT = re.compile(r'="(.*)"', re.DOTALL)
"""How a number that is to keep its zeros is written for Excel: ="0042"."""
_SUFFIXES = {".py", ".ipynb", ".zip"}
_PARTICIPANT = re.compile(r"participant[ _]*(\d+)", re.IGNORECASE)
"""How Moodle's worksheet writes the number that its export has in every folder's name."""


class Roster:
    """Students by id.

    Attributes:
        students: in the order of the file.
    """

    def __init__(self, students: Iterable[Student]) -> None:
        self.students = list(students)
        self._by_id = {_same(one.id): one for one in self.students}

    def name(self, entry: Entry) -> Entry:
        """Return the entry with its students as the roster knows them.

        A submission whose platform tells no id is looked up by its own name, else by that of the
        file without its suffix; it is one student's.
        """
        given = entry.students or [Student(name) for name in _own_names(entry.id)]
        found = [self._by_id.get(_same(one.id)) for one in given if one.id]
        known = [one for one in found if one is not None]
        if not entry.students:
            known = known[:1]
        kept = [one for one in entry.students if _same(one.id) not in self._by_id]
        return Entry(entry.id, entry.pieces, entry.stamp, [*known, *kept], entry.late)

    def strangers(self, entries: Iterable[Entry]) -> list[str]:
        """Return the names of submissions of which nobody is in the roster; of none without one."""
        if not self.students:
            return []
        return [
            one.id
            for one in entries
            if not any(_same(student.id) in self._by_id for student in one.students)
        ]

    def absent(self, seen: Iterable[Student]) -> list[Student]:
        """Return who is in the roster and handed nothing in."""
        ids = {_same(one.id) for one in seen}
        return [one for one in self.students if _same(one.id) not in ids]


def read_roster(path: Path) -> Roster:
    """Read a roster.

    Raises:
        UsageError: it cannot be read, has no column of ids, or one id is two students.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UsageError(f'{path} is not UTF-8 text; save it as "CSV UTF-8"') from None
    (_, header), *rows = _rows(path, text)
    columns = _columns(path, header)
    students: dict[str, Student] = {}
    for number, row in rows:
        one = _student(row, columns)
        if not one.id:
            continue  # Canvas puts a row of possible points under the header
        if students.setdefault(_same(one.id), one) != one:
            other = students[_same(one.id)].name
            raise UsageError(f"{path}, row {number}: id {one.id} is {one.name!r} and {other!r}")
    if not students:
        raise UsageError(f"{path} names nobody: no row below its header has an id")
    return Roster(students.values())


def _same(id: str) -> str:
    """Return an id as others are compared with it: a Mac writes the marks of "zoë" apart."""
    return unicodedata.normalize("NFC", id)


def _own_names(name: str) -> list[str]:
    """Return what an id may be called after: "jane.doe" is a folder, "jane.py" is of "jane"."""
    stem, dot, suffix = name.rpartition(".")
    return [name, stem] if dot and f".{suffix.lower()}" in _SUFFIXES else [name]


def _rows(path: Path, text: str) -> list[tuple[int, list[str]]]:
    """Return what is in each row that is not empty, with the number a spreadsheet gives it."""
    first = re.split(r"[\r\n]", text, maxsplit=1)[0]
    delimiter = max(",;\t", key=first.count)  # a spreadsheet of some countries writes ";"
    # strict: a quote that is never closed would take all further students into one name
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, number = [], 0
    try:
        for number, row in enumerate(reader, 1):
            if any(row):
                rows.append((number, row))
    except csv.Error as error:
        raise UsageError(
            f"{path}, row {number + 1}, is not CSV ({error}): see its quotes"
        ) from None
    if rows and rows[0][1] == ["sep=", ""]:  # tells Excel the delimiter
        del rows[0]
    if not rows:
        raise UsageError(f"{path} is empty; a roster has a header and a line a student")
    return rows


def _columns(path: Path, header: Sequence[str]) -> dict[str, int]:
    """Return where each thing stands."""
    named = [name.strip().lower() for name in header]
    columns = {
        what: min((names.index(name), named.index(name)) for name in named if name in names)[1]
        for what, names in _COLUMNS.items()
        if any(name in names for name in named)
    }
    if "id" not in columns:
        raise UsageError(
            f"{path} has no column of ids: its header is {printable(', '.join(header))}; "
            'call the columns "id", "name" and, if you like, "email"'
        )
    return columns


def _student(row: Sequence[str], columns: dict[str, int]) -> Student:
    told = {what: _plain(row[at]) if at < len(row) else "" for what, at in columns.items()}
    participant = _PARTICIPANT.fullmatch(told["id"])
    name = told.get("name") or " ".join(filter(None, (told.get("first"), told.get("last"))))
    return Student(participant[1] if participant else told["id"], name, told.get("email", ""))


def _plain(cell: str) -> str:
    text = _TEXT.fullmatch(cell.strip())
    return text[1] if text else cell.strip()
