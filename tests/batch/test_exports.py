"""Names that learning platforms give to what they export are read as their sources write them."""

import pytest

from grader.batch import exports
from grader.batch.exports import Named


@pytest.mark.parametrize(
    ("name", "student_id", "student", "file"),
    [
        ("Jane Doe_12345_assignsubmission_file_", "12345", "Jane Doe", ""),
        ("Jane Doe_12345_assignsubmission_file", "12345", "Jane Doe", ""),
        ("Jane Doe_12345_assignsubmission_file_hw_1.py", "12345", "Jane Doe", "hw_1.py"),
        ("Zoë O'Neil-Ng_7_assignsubmission_onlinetext_", "7", "Zoë O'Neil-Ng", ""),
        ("Participant_12345_assignsubmission_file_", "12345", "Participant", ""),
        ("Group A_98_assignsubmission_file_", "98", "Group A", ""),
        ("Default group_assignsubmission_file_", "", "Default group", ""),
    ],
)
def test_moodle(name: str, student_id: str, student: str, file: str) -> None:
    found = exports.from_moodle(name)
    assert found == Named(f"{student}_{student_id}", student_id, student, file)


@pytest.mark.parametrize("name", ["hw_1.py", "assignsubmission_file_", "_1_assignsubmission_file_"])
def test_no_moodle(name: str) -> None:
    assert exports.from_moodle(name) is None


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("doejane_12345_67890_hw.py", Named("12345", "12345", "doejane", "hw.py")),
        ("doejane_LATE_12345_67890_hw.py", Named("12345", "12345", "doejane", "hw.py", True)),
        ("doejane_12345_67890_hw-1.py", Named("12345", "12345", "doejane", "hw-1.py")),
        ("doejane_12345_67890_my_hw_2_.zip", Named("12345", "12345", "doejane", "my_hw_2_.zip")),
        ("शर्माअमित_LATE_1_2_hw.py", Named("1", "1", "शर्माअमित", "hw.py", True)),
        ("anon_aB3xZ_67890_hw.py", Named("anon_aB3xZ", "anon_aB3xZ", "", "hw.py")),
        ("LATE_anon_aB3xZ_67890_hw.py", Named("anon_aB3xZ", "anon_aB3xZ", "", "hw.py", True)),
        ("doejane_12345_text.html", Named("12345", "12345", "doejane", "text.html")),
        ("doe_jane_12345_67890_hw.py", Named("12345", "12345", "doe_jane", "hw.py")),
    ],
)
def test_canvas(name: str, found: Named) -> None:
    assert exports.from_canvas(name) == found


@pytest.mark.parametrize("name", ["hw.py", "doejane_hw.py", "doejane_12345_.py", "12345_hw.py"])
def test_no_canvas(name: str) -> None:
    assert exports.from_canvas(name) is None


def test_a_folder_is_canvas_only_as_a_whole_and_where_no_user_has_two_names() -> None:
    export = ["doejane_1_10_hw.py", "doejane_1_11_more.py", "roejohn_2_12_hw.py"]
    assert exports.all_from_canvas(export)
    assert not exports.all_from_canvas([*export, "notes.py"])
    assert not exports.all_from_canvas(["alice_1_2_final.py", "bob_1_2_final.py"])
    assert not exports.all_from_canvas([])


@pytest.mark.parametrize(
    "names",
    [
        ["submission_2026_11_24_alice.py", "submission_2026_11_24_bob.py"],
        ["2026_11_24_alice.py", "2026_11_25_bob.ipynb"],
        ["week_3_1_alice.py", "week_3_1_bob.py"],
        ["doejane_1_text.html", "doejane_LATE_1_text.html"],
    ],
)
def test_no_user_of_canvas_has_two_files_of_one_number(names: list[str]) -> None:
    assert all(exports.from_canvas(name) for name in names)
    assert not exports.all_from_canvas(names)
    of_a_group = ["doejane_1_10_hw.py", "roejohn_2_10_hw.py"]
    assert exports.all_from_canvas(of_a_group)


@pytest.mark.parametrize(
    "names",
    [
        ["lab_2_1_alice.py", "lab_2_2_bob.py", "lab_2_3_carol.py"],
        ["lab_1_1_alice.py", "lab_2_1_bob.py"],
        ["2026_11_24_alice.py", "2027_1_12_bob.py"],
        ["doejane_1_10_hw.py", "doejane_1_11_more.py"],
    ],
)
def test_no_class_of_canvas_is_of_one_name(names: list[str]) -> None:
    assert all(exports.from_canvas(name) for name in names)
    assert not exports.all_from_canvas(names)
    assert exports.all_from_canvas(names[:1]) and exports.all_from_canvas([*names[:1], "b_9_9_c"])
    assert exports.all_from_canvas(["anon_aB3xZ_10_hw.py", "LATE_anon_cD4yW_11_hw.py"])


def test_gradescope() -> None:
    found = exports.from_gradescope("submission_123456")
    assert found is not None and found.owner == "submission_123456"
    assert exports.from_gradescope("submission_final") is None
