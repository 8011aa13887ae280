"""The page of a class says what happened, and no name in it is more than text."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rows import row, students

import reference
from grader.batch.class_page import PAGE, Alike, Link, write_class_page
from grader.batch.comparing import compare_all
from grader.batch.entry import Judged, Row, Student
from grader.batch.tally import Tally

EXERCISE = reference.load(reference.DEFAULT)
HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m{{ 7*7 }}"


def a_class() -> list[Row]:
    """Rows of every kind, one of them by somebody who would like to be markup."""
    maximum = sum(one.points for one in EXERCISE.rubric)
    findings = {one.id: Judged("passed", one.points) for one in EXERCISE.rubric}
    right = {"verdict": "accepted", "score": maximum, "findings": findings}
    return [
        row("right.py", **right, cpu_s=2.0, wall_s=3.0, peak_memory_bytes=400 << 20),
        row("again.py", **right, sha256="right.py", late=True),
        row("wrong.py", diagnosis="GELU in place of ReLU", diagnosis_id="gelu", cpu_s=1.0),
        row("wrong_too.py", diagnosis="GELU in place of ReLU", diagnosis_id="gelu"),
        row("odd.py", students=students(HOSTILE), diagnosis=HOSTILE, diagnosis_id="x"),
        row("unknown.py"),
        row("ours.py", verdict="internal_error", findings={}, report="", problem="disk full"),
    ]


def page(folder: Path, rows: Sequence[Row], **changes: Any) -> str:
    facts: dict[str, Any] = {
        **{"alike": [], "absent": [], "repeated": []},
        **{"ignored": [], "strangers": []},
    }
    write_class_page(folder, EXERCISE, lambda: rows, **(facts | changes))
    return (folder / PAGE).read_text(encoding="utf-8")


def whole_page(folder: Path) -> str:
    """A page with everything on it."""
    alike = [
        Alike(1.0, [Link("right.py", "right.py"), Link("again.py", "again.py")], True, 3),
        Alike(0.98, [Link(HOSTILE, "odd.py"), Link("wrong.py", "wrong.py")]),
    ]
    absent = [Student("9", HOSTILE)]
    also = {"absent": absent, "repeated": students("Twice"), "ignored": ["notes.txt", HOSTILE]}
    also["strangers"] = ["visitor.py", HOSTILE]
    return page(folder, a_class(), alike=alike, **also)


def test_page_tells_what_happened(tmp_path: Path) -> None:
    text = " ".join(re.sub(r"<[^>]+>", " ", whole_page(tmp_path)).split())
    assert "Submissions 7" in text
    assert "2 Accepted" in text
    assert "1 The grader failed" in text
    assert re.search(r"GELU in place of ReLU 2 wrong\.py , wrong_too\.py", text)
    assert "no known mistake explains it 1" in text
    assert "the same file right.py , again.py and 3 more" in text
    assert "98.0 % alike" in text
    assert "ours.py no score" in text
    assert "notes.txt" in text
    assert "Sent by nobody in the roster visitor.py" in text
    assert "yours to say Twice" in text
    assert [path.name for path in tmp_path.iterdir()] == [PAGE]


def test_every_file_that_is_no_submission_is_named(tmp_path: Path) -> None:
    names = [f"students homework answer number {number:03}.docx" for number in range(150)]
    text = page(tmp_path, a_class(), ignored=names)
    assert all(name in text for name in names)


def test_hostile_text_is_text(tmp_path: Path) -> None:
    text = whole_page(tmp_path)
    assert "<script" not in text
    assert "\u202e" not in text and "\x1b" not in text
    assert "{{ 7*7 }}" in text
    assert "style=" not in text


def test_page_of_nobody_that_was_graded(tmp_path: Path) -> None:
    text = page(tmp_path, [row("a", verdict="internal_error", findings={}, report="")])
    assert "Mean" not in text and "<h2" in text


def test_page_is_the_same_again(tmp_path: Path) -> None:
    assert whole_page(tmp_path) == whole_page(tmp_path)


def test_slowest_names_a_file_once() -> None:
    tally = Tally(EXERCISE.rubric)
    for one in [row(str(n), cpu_s=n) for n in range(20)]:
        tally.add(one)
        tally.add(row(f"{one.id} copied", cpu_s=one.cpu_s, sha256=one.sha256))
    assert [one.id for one in tally.slowest] == [str(n) for n in range(19, 9, -1)]


@given(st.lists(st.integers(0, 100), min_size=1))
def test_tally_agrees_with_counting(scores: list[int]) -> None:
    tally = Tally(EXERCISE.rubric)
    for number, score in enumerate(scores):
        tally.add(row(str(number), score=score))
    assert tally.scores == Counter(scores)
    assert tally.graded == len(scores)
    assert abs(tally.mean - sum(scores) / len(scores)) < 1e-9
    assert min(scores) <= tally.median <= max(scores)


def test_identical_files_are_found_and_large_groups_are_cut(tmp_path: Path) -> None:
    rows = [row(f"{number}.py", sha256="same") for number in range(20)]
    (found,) = compare_all(tmp_path, [*rows, row("other.py"), row("none.py", sha256="")])
    assert found.identical
    assert (len(found.rows), found.more) == (8, 12)
