"""Rosters are understood by the names of their columns, and a mistake in one is named."""

import unicodedata
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from grader.batch.entry import Entry, Piece, Student
from grader.batch.roster import Roster, read_roster
from grader.errors import UsageError

FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")
JANE = Student("11", "Jane Doe", "jane@example.org")


@pytest.mark.parametrize(
    "text",
    [
        "id,name,email\n11,Jane Doe,jane@example.org\n",
        "\ufeffid;name;email\r\n11;Jane Doe;jane@example.org\r\n",
        "Identifier,Full name,Email address,Status\nParticipant 11,Jane Doe,jane@example.org,x\n",
        "First Name,Last Name,SID,Email\nJane,Doe,11,jane@example.org\n",
        'sep=;\r\nid;name;email\r\n="11";"=""Jane Doe""";jane@example.org\r\n',
        'Student,ID,SIS Login ID,Email\n  Points Possible,,,\n"Jane Doe",11,j,jane@example.org\n',
    ],
    ids=["plain", "spreadsheet", "moodle", "gradescope", "for excel", "canvas"],
)
def test_rosters_of_the_platforms(tmp_path: Path, text: str) -> None:
    path = tmp_path / "roster.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert read_roster(path).students == [JANE]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("who,what\na,b\n", "no column of ids"),
        ("id,name\n,Jane\n", "names nobody"),
        ("id,name\n1,Jane\n\n1,John\n", "row 4: id 1"),
        ('id,name\n1,Jane\n2,"John\n3,Ann\n', "row 3, is not CSV"),
        ("\x1b[2Jwho,what\na,b\n", r"header is \\u001b\[2Jwho, what;"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "roster.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        read_roster(path)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["unix", "windows", "mac"])
def test_a_row_ends_where_csv_says_and_not_within_a_name(tmp_path: Path, end: str) -> None:
    path = tmp_path / "roster.csv"
    text = end.join(("id,name", '1,"Jane, or\u2028Janet"', "2,John\x0bRoe", ""))
    path.write_text(text, encoding="utf-8", newline="")
    students = read_roster(path).students
    assert students == [Student("1", "Jane, or\u2028Janet"), Student("2", "John\x0bRoe")]


def test_a_missing_file_and_one_that_is_no_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_roster(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes("id,name\n1,Zo\xeb\n".encode("latin1"))
    with pytest.raises(UsageError, match="UTF-8"):
        read_roster(tmp_path / "latin.csv")


@pytest.mark.parametrize("form", FORMS)
def test_an_id_is_the_same_however_its_marks_are_written(form: Literal["NFC", "NFD"]) -> None:
    """A Mac writes the names of files in NFD, a spreadsheet ids in NFC."""
    known = Student(unicodedata.normalize(form, "zoë"), "Zoë")
    roster = Roster([known])
    for other in FORMS:
        own = unicodedata.normalize(other, "zoë")
        for entry in (Entry(f"{own}.py", [], "s", []), Entry("x", [], "s", [Student(own)])):
            assert roster.name(entry).students == [known]
        assert roster.absent([Student(own)]) == []


def test_students_are_named_and_those_without_a_submission_are_told(tmp_path: Path) -> None:
    path = tmp_path / "roster.csv"
    path.write_text("id,name\n11,Jane Doe\njroe,John Roe\n13,Nobody\n")
    roster = read_roster(path)
    moodle = Entry("x", [Piece(b"x", "x")], "s", [Student("11", "doejane")])
    plain = Entry("jroe.py", [Piece(b"jroe.py", "jroe.py")], "s", [])
    other = Entry("y", [Piece(b"y", "y")], "s", [Student("99", "Visitor")])
    named = [roster.name(entry) for entry in (moodle, plain, other)]
    assert [one.students for one in named] == [
        [Student("11", "Jane Doe")],
        [Student("jroe", "John Roe")],
        [Student("99", "Visitor")],
    ]
    folder = Entry("j.roe", [Piece(b"j.roe", "j.roe")], "s", [])
    dotted = Roster([Student("j", "J"), Student("j.roe", "John Roe"), Student("a", "A")])
    assert dotted.name(folder).students == [Student("j.roe", "John Roe")]
    assert dotted.name(msgspec.structs.replace(folder, id="a.b")).students == []
    team = msgspec.structs.replace(other, students=[*named[0].students, Student("99", "Visitor")])
    assert roster.strangers([*named, team]) == ["y"]
    assert roster.strangers([msgspec.structs.replace(other, students=[])]) == ["y"]
    assert Roster([]).strangers(named) == []
    seen = [student for entry in named for student in entry.students]
    assert roster.absent(seen) == [Student("13", "Nobody")]
