"""A new exercise is laid out with blanks, refused while it has some, proven once it has none."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from test_cli import grader

from grader.authoring.scaffold import lay_out, refuse_blanks
from grader.errors import UsageError


def test_blanks_are_named_by_file_and_line(tmp_path: Path) -> None:
    folder = lay_out("my_block", tmp_path)
    with pytest.raises(UsageError, match=r"exact\.py:\d+") as caught:
        refuse_blanks(folder)
    assert "my_block has blanks" in str(caught.value)


def test_names_are_filled_in(tmp_path: Path) -> None:
    folder = lay_out("my_block", tmp_path)
    assert "class MyBlock(nnx.Module)" in (folder / "solution.py").read_text()
    assert 'entry="my_block_forward"' in (folder / "exercise.py").read_text()
    assert not [path for path in folder.rglob("*") if path.suffix == ".template"]


@pytest.mark.parametrize(
    "name", ["My_block", "2d", "class", "a-b", "../up", "", "none", "true", "_1x"]
)
def test_a_name_that_python_would_not_take_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no name"):
        lay_out(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "my_block").mkdir()
    with pytest.raises(UsageError, match="there already"):
        lay_out("my_block", tmp_path)
    assert list((tmp_path / "my_block").iterdir()) == []


def test_command_lays_out_and_check_refuses_the_blanks(tmp_path: Path) -> None:
    done = grader("new-exercise", "my_block", "--into", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "grader check" in done.stdout
    refused = grader("check", str(tmp_path / "my_block"))
    assert refused.returncode == 2
    assert "blanks to fill in" in refused.stderr


def test_commands_can_be_pasted_whatever_the_folder_is_called(tmp_path: Path) -> None:
    done = grader("new-exercise", "my_block", "--into", str(tmp_path / "week 3"))
    said = [shlex.split(line) for line in done.stdout.splitlines()[1:]]
    assert [words[:2] for words in said] == [["grader", "calibrate"], ["grader", "check"]]
    assert {Path(words[2]).resolve() for words in said} == {tmp_path / "week 3" / "my_block"}


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["check", "half_written"], "half_written has blanks to fill in: "),
        (["calibrate", "half_written"], "half_written has blanks to fill in: "),
        (["grade", "hw.py", "--exercise", "half_written"], "half_written: exercise.py: NameError"),
        (["exercises"], "half_written: exercise.py: NameError"),
    ],
    ids=lambda one: one[0] if isinstance(one, list) else "",
)
def test_one_that_is_half_written_is_the_authors_under_reference_too(
    command: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(
        ROOT / "reference", tmp_path / "reference", ignore=shutil.ignore_patterns("fixtures")
    )
    lay_out("half_written", tmp_path / "reference")
    (tmp_path / "hw.py").write_text("x = 1\n")
    monkeypatch.chdir(tmp_path)
    code = "import sys; sys.path.insert(0, '.'); from grader.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=False
    )
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr


def test_filled_in_it_is_calibrated_proven_and_graded(tiny_folder: Path, tmp_path: Path) -> None:
    picture = tmp_path / "plot.svg"
    calibrated = grader("calibrate", str(tiny_folder))
    assert calibrated.returncode == 0, calibrated.stdout + calibrated.stderr
    proven = grader("check", str(tiny_folder), "--seeds", "2", "--plot", str(picture))
    assert proven.returncode == 0, proven.stdout + proven.stderr
    assert "PASS" in proven.stdout
    assert "<svg" in picture.read_text()
    right = tiny_folder / "fixtures" / "accepted" / "plain"
    graded = grader("grade", str(right), "--exercise", str(tiny_folder))
    assert graded.returncode == 0, graded.stdout + graded.stderr
    assert "100 / 100" in graded.stdout
