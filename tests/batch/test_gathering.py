"""A folder or an export becomes one entry a submission: nothing is lost, nothing is mixed up."""

import os
import zipfile
from pathlib import Path

import pytest

import reference
from grader.batch.entry import Entry, Student
from grader.batch.gathering import gather
from grader.batch.reading import Reader
from grader.errors import InvalidSubmission, UsageError

SOURCE = "def tiny(seed): return seed\n"
METADATA = """---
submission_1:
  :submitters:
  - :name: Jane Doe
    :sid: '100'
    :email: jane@example.org
  :created_at: 2026-11-01 10:00:00
  :history:
  - :submitters:
    - :name: Not Her
  :results:
    tests:
    - name: one
      output: |
        :submitters:
submission_2:
  :submitters:
  - :name: Pair One
    :sid: '200'
  - :name: "=Pair Two"
    :sid: '201'
"""


def lay(root: Path, names: dict[str, str]) -> Path:
    for name, text in names.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def packed(root: Path, target: Path, below: str = "") -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                member = zipfile.ZipInfo(below + str(path.relative_to(root)))
                archive.writestr(member, path.read_bytes())
    return target


def by_id(source: Path) -> dict[str, Entry]:
    return {entry.id: entry for entry in gather(source).entries}


def source_of(source: Path, entry: Entry) -> bytes:
    return Reader(source, reference.load(reference.DEFAULT)).read(entry).source


PLAIN = {
    "alice.py": SOURCE,
    "bob/submission.py": SOURCE,
    "carol.zip": "no archive",
    "dave.ipynb": "{}",
    "README.txt": "not a submission",
    ".DS_Store": "",
    "__MACOSX/x.py": "",
}
MOODLE = {
    "Jane Doe_11_assignsubmission_file_/hw.py": SOURCE,
    "Jane Doe_11_assignsubmission_onlinetext_/onlinetext.html": "<p>see file</p>",
    "John Roe_12_assignsubmission_file_/a/b/hw.py": SOURCE,
}
CANVAS = {
    "doejane_1_10_submission.py": SOURCE,
    "doejane_1_11_notes.pdf": "pdf",
    "roejohn_LATE_2_12_hw.py": SOURCE,
}
GRADESCOPE = {
    "submission_metadata.yml": METADATA,
    "submission_1/hw.py": SOURCE,
    "submission_2/hw.py": SOURCE,
    "submission_3/hw.py": SOURCE,
}


def test_a_plain_folder_has_an_entry_a_file_or_folder(tmp_path: Path) -> None:
    found = gather(lay(tmp_path, PLAIN))
    assert [entry.id for entry in found.entries] == ["alice.py", "bob", "carol.zip", "dave.ipynb"]
    assert found.ignored == ["README.txt"]
    assert found.platform == ""
    assert source_of(tmp_path, found.entries[0]) == SOURCE.encode()
    assert source_of(tmp_path, found.entries[1]) == SOURCE.encode()
    for broken in found.entries[2:]:
        with pytest.raises(InvalidSubmission):
            source_of(tmp_path, broken)


@pytest.mark.parametrize("form", ["folder", "archive"])
def test_moodle_puts_the_folders_of_one_student_together(tmp_path: Path, form: str) -> None:
    root = lay(tmp_path / "export", MOODLE)
    source = root if form == "folder" else packed(root, tmp_path / "export.zip")
    found = gather(source)
    assert found.platform == "Moodle"
    jane, john = found.entries
    assert jane.students == [Student("11", "Jane Doe")]
    assert john.students == [Student("12", "John Roe")]
    assert source_of(source, jane) == source_of(source, john) == SOURCE.encode()


@pytest.mark.parametrize("below", ["./", "/", ".//"])
def test_an_archive_whose_names_begin_with_its_root_is_the_same_class(
    tmp_path: Path, below: str
) -> None:
    root = lay(tmp_path / "export", MOODLE)
    usual, other = packed(root, tmp_path / "a.zip"), packed(root, tmp_path / "b.zip", below)
    students = {entry.id: entry.students for entry in gather(usual).entries}
    assert {entry.id: entry.students for entry in gather(other).entries} == students
    for entry in gather(other).entries:
        assert source_of(other, entry) == SOURCE.encode()


def test_a_name_that_several_have_gets_their_ids(tmp_path: Path) -> None:
    for name in ("Participant_7", "Participant_8", "Jane Doe_9"):
        (tmp_path / f"{name}_assignsubmission_file_").mkdir()
    (tmp_path / "Participant_8_assignsubmission_onlinetext_").mkdir()
    named = [student for entry in gather(tmp_path).entries for student in entry.students]
    assert [(one.id, one.name) for one in named] == [
        ("9", "Jane Doe"),
        ("7", "Participant 7"),
        ("8", "Participant 8"),
    ]


def test_moodle_without_folders(tmp_path: Path) -> None:
    names = ("Jane Doe_11_assignsubmission_file_submission.py", "J_12_assignsubmission_file_a.py")
    lay(tmp_path, {names[0]: SOURCE, names[1]: SOURCE, names[0].replace("sub", "other"): "x = ("})
    found = by_id(tmp_path)
    assert (
        len(found) == 3
    )  # "othermission.py" is not his submission's name, so it is one more piece


@pytest.mark.parametrize("form", ["folder", "archive"])
def test_canvas_puts_the_files_of_one_user_together(tmp_path: Path, form: str) -> None:
    root = lay(tmp_path / "export", CANVAS)
    source = root if form == "folder" else packed(root, tmp_path / "export.zip")
    jane, john = gather(source).entries
    assert (jane.students, jane.late) == ([Student("1", "doejane")], False)
    assert (john.students, john.late) == ([Student("2", "roejohn")], True)
    assert len(jane.pieces) == 2
    assert source_of(source, jane) == source_of(source, john) == SOURCE.encode()


@pytest.mark.parametrize("below", ["", "assignment_99_export/"])
@pytest.mark.parametrize("form", ["folder", "archive"])
def test_gradescope_tells_who_it_was(tmp_path: Path, form: str, below: str) -> None:
    root = lay(tmp_path / "export", {below + name: text for name, text in GRADESCOPE.items()})
    source = root if form == "folder" else packed(root, tmp_path / "export.zip")
    found = gather(source)
    assert found.platform == "Gradescope"
    assert [entry.students for entry in found.entries] == [
        [Student("100", "Jane Doe", "jane@example.org")],
        [Student("200", "Pair One"), Student("201", "=Pair Two")],
        [],
    ]
    assert all(source_of(source, entry) == SOURCE.encode() for entry in found.entries)


def test_broken_metadata_are_named(tmp_path: Path) -> None:
    lay(tmp_path, {"submission_metadata.yml": "a: [", "submission_1/hw.py": SOURCE})
    with pytest.raises(UsageError, match=r"submission_metadata\.yml cannot be read"):
        gather(tmp_path)


def test_a_folder_with_one_archive_is_what_the_student_sent(tmp_path: Path) -> None:
    inner = packed(lay(tmp_path / "hers", {"submission.py": SOURCE}), tmp_path / "hw.zip")
    folder = tmp_path / "all" / "Jane Doe_11_assignsubmission_file_"
    folder.mkdir(parents=True)
    inner.rename(folder / "hw.zip")
    for source in (tmp_path / "all", packed(tmp_path / "all", tmp_path / "all.zip")):
        (entry,) = gather(source).entries
        assert source_of(source, entry) == SOURCE.encode()


@pytest.mark.parametrize("export", [MOODLE, CANVAS, GRADESCOPE], ids=["moodle", "canvas", "scope"])
@pytest.mark.parametrize("below", ["", "week 3/", "algebra/week 3/"])
def test_an_export_is_found_in_the_folders_around_it(
    tmp_path: Path, export: dict[str, str], below: str
) -> None:
    usual = by_id(lay(tmp_path / "usual", export))
    root = lay(tmp_path / "deep", {below + name: text for name, text in export.items()})
    for source in (root, packed(root, tmp_path / "a.zip"), packed(root, tmp_path / "b.zip", "c/")):
        found = by_id(source)
        assert {id: one.students for id, one in found.items()} == {
            id: one.students for id, one in usual.items()
        }
        for id, one in found.items():
            assert source_of(source, one) == source_of(tmp_path / "usual", usual[id])


def test_folders_in_a_folder_that_no_platform_named_are_one_students(tmp_path: Path) -> None:
    names = {"alice/hw/submission.py": SOURCE, "alice/hw/notes/plan.txt": ""}
    assert list(by_id(lay(tmp_path / "class", names))) == ["alice"]


def test_a_zipped_folder_of_files_is_a_class(tmp_path: Path) -> None:
    root = lay(tmp_path / "hw", {"alice.py": SOURCE, "bob.py": SOURCE})
    source = packed(root, tmp_path / "hw.zip", "hw/")
    assert sorted(by_id(source)) == ["alice.py", "bob.py"]


def test_stamps_change_with_the_files_and_only_then(tmp_path: Path) -> None:
    lay(tmp_path, PLAIN)
    before = by_id(tmp_path)
    assert by_id(tmp_path) == before
    (tmp_path / "bob" / "submission.py").write_text(SOURCE + "# changed\n")
    after = by_id(tmp_path)
    assert {name for name in before if before[name] != after[name]} == {"bob"}


def test_names_that_are_no_text_are_kept_apart(tmp_path: Path) -> None:
    for name in (b"\xff.py", b"\\udcff.py", b"\xfe.py"):
        with open(os.path.join(os.fsencode(tmp_path), name), "w") as file:
            file.write(SOURCE)
    found = gather(tmp_path).entries
    assert len({entry.id for entry in found}) == 3
    assert all(source_of(tmp_path, entry) == SOURCE.encode() for entry in found)


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text(SOURCE)
    inside = tmp_path / "class"
    inside.mkdir()
    (inside / "link.py").symlink_to(tmp_path / "secret.py")
    (entry,) = gather(inside).entries
    with pytest.raises(InvalidSubmission, match="link"):
        source_of(inside, entry)


@pytest.mark.parametrize("name", ["missing", "file.txt", "broken.zip", "empty"])
def test_what_is_no_class_is_named(tmp_path: Path, name: str) -> None:
    lay(tmp_path, {"file.txt": "", "broken.zip": "no archive"})
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=name):
        gather(tmp_path / name)


ODD = {
    "محمد\u200cعلی رضایی_2_assignsubmission_file_/hw.py": SOURCE,
    "山田\u3000太郎_3_assignsubmission_file_/\u00a0hw.py": SOURCE,
    "Jane\u00a0Doe_4_assignsubmission_file_hw\u202f2.py": SOURCE,
}
DEEP = {
    "alice/a/b/c/hw.py": SOURCE,
    "bob/a/b/c/d/hw.py": SOURCE,
    "carol/.hw.py": SOURCE,
    "dave/.venv/x.py": SOURCE,
    "dave/hw.py": SOURCE,
    **{f"erin/venv/{number}.py": "" for number in range(999)},
    "erin/submission.py": SOURCE,
    **{f"frank/venv/{number}.py": "" for number in range(998)},
    "frank/submission.py": SOURCE,
    **{f"grace/.venv/{number}.py": "" for number in range(1001)},
    "grace/submission.py": SOURCE,
}


def outcomes(source: Path) -> dict[str, bytes | str]:
    """Read everything: the source, or why there is none."""
    found: dict[str, bytes | str] = {}
    for id, entry in by_id(source).items():
        try:
            found[id] = source_of(source, entry)
        except InvalidSubmission as error:
            found[id] = str(error)
    return found


@pytest.mark.parametrize("export", [MOODLE, CANVAS, GRADESCOPE, ODD, DEEP])
def test_a_class_is_read_alike_unpacked_and_as_an_archive(
    tmp_path: Path, export: dict[str, str]
) -> None:
    root = lay(tmp_path / "export", export)
    (root / "zoe_9_assignsubmission_file_" if export is ODD else root / "zoe").mkdir()
    with_folders = tmp_path / "export.zip"
    with zipfile.ZipFile(with_folders, "w") as archive:
        for path in sorted(root.rglob("*")):
            archive.write(path, path.relative_to(root))
    unpacked = outcomes(root)
    assert outcomes(with_folders) == unpacked
    if export is ODD:
        assert sum(one == SOURCE.encode() for one in unpacked.values()) == 3
    if export is DEEP:
        assert {id for id, one in unpacked.items() if one == SOURCE.encode()} == {
            *("alice", "dave", "frank", "grace")
        }
        assert "more than 1000 entries" in str(unpacked["erin"])


def test_a_member_that_leads_out_of_the_archive_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "export.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for name in ("alice/submission.py", "bob/submission.py", "bob/../../x.py", "/etc/y.py"):
            archive.writestr(name, SOURCE)
    found = {entry.id: entry for entry in gather(target).entries}
    assert {"alice", "bob"} <= set(found)
    assert source_of(target, found["alice"]) == source_of(target, found["bob"]) == SOURCE.encode()
