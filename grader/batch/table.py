"""Write results.csv: a line a student, safe to open in a spreadsheet."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from grader.batch.entry import Row, Student
from grader.model import Criterion
from grader.report.spreadsheet import cell

TABLE = "results.csv"
_FIRST = ("student_id", "student_name", "email", "submission", "late", "verdict", "score")


def write_table(
    folder: Path, rows: Iterable[Row], absent: Iterable[Student], rubric: Sequence[Criterion]
) -> None:
    """Write one line a student of a submission, then those who handed nothing in.

    A submission that could not be graded has no score: an empty cell is no grade.

    Args:
        absent: students of the roster without a submission.
    """
    partial = folder / f".{TABLE}.partial"
    with open(partial, "w", encoding="utf-8-sig", newline="") as file:  # Excel needs the mark
        writer = csv.writer(file)
        criteria = [one.id for one in rubric]
        header = (*_FIRST, "max_score", *criteria, "diagnosis", "cpu_s", "report", "sha256")
        writer.writerow(header)
        for row in rows:
            writer.writerows(_lines(row, criteria))
        for student in absent:
            line = (student.id, student.name, student.email, "", "", "not_submitted")
            writer.writerow(map(cell, (*line, *[""] * (len(header) - len(line)))))
    partial.replace(folder / TABLE)


def _lines(row: Row, criteria: Sequence[str]) -> Iterator[list[str]]:
    points = [row.findings[name].points if name in row.findings else "" for name in criteria]
    late = "late" if row.late else ""
    for student in row.students or [Student()]:
        who = (student.id, student.name, student.email, row.id, late, row.verdict)
        score = (row.score, row.max_score, *points) if row.is_graded else [""] * (len(points) + 2)
        yield [
            cell(one) for one in (*who, *score, row.diagnosis, row.cpu_s, row.report, row.sha256)
        ]
