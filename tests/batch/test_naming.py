"""Reports get a file name that is safe and their own, whatever a submission is called."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.batch.naming import report_name


@pytest.mark.parametrize("name", ["alice.py", "submission_123456", "hw-1.zip"])
def test_a_plain_name_stays(name: str) -> None:
    assert report_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "Alice.py", "con", "nul.py", "a" * 300, "", "..", "x.", "\u202egpj.py"],
)
def test_any_other_gets_a_digest(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_]{1,60}-[0-9a-f]{10}", report_name(name))


@given(st.lists(st.text(), min_size=2, max_size=2, unique=True))
def test_different_names_stay_different_without_case(names: list[str]) -> None:
    one, other = map(report_name, names)
    assert one.casefold() != other.casefold()


def test_a_name_that_looks_like_ours_is_not_taken_for_one(tmp_path: Path) -> None:
    made = report_name("Alice.py")
    assert report_name(made.lower()) != made.lower()
