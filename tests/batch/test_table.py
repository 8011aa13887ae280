"""The table opens in a spreadsheet as a table, whatever students are called."""

import csv
from pathlib import Path

import pytest
from rows import row, students

from grader.batch.entry import Student
from grader.batch.table import TABLE, write_table
from grader.model import Criterion
from grader.report.spreadsheet import cell

RUBRIC = (Criterion("runs", "It runs", 5), Criterion("values", "Values", 95))


@pytest.mark.parametrize(
    "text",
    ["=cmd|' /C calc'!A0", "+1+1", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "＠x"],
)
def test_a_formula_is_text(text: str) -> None:
    assert cell(text).startswith("'")


@pytest.mark.parametrize("text", ["x;=cmd|' /C calc'!A0", "a;=1+1;.py", "a; @SUM(A1)", ";\t=1"])
def test_a_formula_is_text_where_a_semicolon_ends_a_cell(text: str) -> None:
    shown = next(csv.reader([cell(text)], delimiter=";"))
    assert not [one for one in shown if one.lstrip(" ").startswith(("=", "@", "\\t"))]


@pytest.mark.parametrize("value", ["Jane", "a=b", "a;b", "a; b=c", "", 12, -1, 0.5])
def test_what_is_no_formula_stays(value: object) -> None:
    assert cell(value) == str(value)


def test_a_line_a_student_and_no_score_where_nothing_was_graded(tmp_path: Path) -> None:
    rows = [
        row("pair.py", students=students('Jane, or "J"', "=John"), late=True),
        row("ours.py", verdict="internal_error", findings={}, score=0),
    ]
    write_table(tmp_path, rows, [Student("9", "Absent")], RUBRIC)
    with open(tmp_path / TABLE, encoding="utf-8-sig", newline="") as file:
        found = list(csv.DictReader(file))
    assert [line["student_name"] for line in found] == ['Jane, or "J"', "'=John", "", "Absent"]
    assert [line["score"] for line in found] == ["40", "40", "", ""]
    assert [line["values"] for line in found] == ["0", "0", "", ""]
    assert [line["verdict"] for line in found][2:] == ["internal_error", "not_submitted"]
    assert found[0]["late"] == "late"
    assert [path.name for path in tmp_path.iterdir()] == [TABLE]
