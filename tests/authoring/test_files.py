"""Files that an author left out or saved wrongly are named, before anything runs."""

import shutil
from pathlib import Path

import pytest
from test_cli import grader

from grader.authoring.files import refuse_unreadable
from grader.authoring.scaffold import refuse_blanks
from grader.errors import UsageError


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "tiny_layer"))


@pytest.mark.parametrize(
    "name", ["exercise.py", "solution.py", "exact.py", "strategy.py", "statement.md"]
)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    refuse_unreadable(folder)
    (folder / name).unlink()
    with pytest.raises(UsageError, match=f"holds no {name}"):
        refuse_unreadable(folder)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("statement.md", b"Gr\xf6\xdfe", "statement.md is not UTF-8: byte 2"),
        ("solution.py", b"# \xff", "solution.py is not UTF-8: byte 2"),
        ("strategy.py", b"x = 1\ny = = 2\n", "strategy.py: line 2: SyntaxError"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    folder: Path, name: str, text: bytes, said: str
) -> None:
    (folder / name).write_bytes(text)
    with pytest.raises(UsageError, match=said):
        refuse_unreadable(folder)


def test_a_fixture_may_be_what_no_exercise_may(folder: Path) -> None:
    (folder / "fixtures/rejected/example/submission.py").write_bytes(b"\xff = = BLANK")
    refuse_unreadable(folder)
    with pytest.raises(UsageError, match=r"rejected/example/submission\.py:1"):
        refuse_blanks(folder)


def test_a_command_names_the_file_in_one_line(folder: Path) -> None:
    (folder / "exact.py").unlink()
    done = grader("check", str(folder))
    assert done.returncode == 2
    assert done.stderr.splitlines() == [f"grader: {folder} holds no exact.py"]


@pytest.mark.parametrize("command", ["check", "calibrate", "examples"])
def test_what_the_reference_raises_is_told_in_one_line(folder: Path, command: str) -> None:
    solution = folder / "solution.py"
    solution.write_text(solution.read_text().replace("import jax\n", "import jaxx\n"))
    done = grader(command, str(folder))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("grader: the reference of tiny_layer failed: solution.py:")
    assert line.endswith("ModuleNotFoundError: No module named 'jaxx'")


def test_while_a_student_is_graded_the_same_is_an_internal_error(folder: Path) -> None:
    solution = folder / "solution.py"
    solution.write_text(solution.read_text().replace("import jax\n", "import jaxx\n"))
    right = folder / "fixtures/accepted/plain/submission.py"
    done = grader("grade", str(right), "--exercise", str(folder))
    assert done.returncode == 3
    assert "No module named 'jaxx'" in done.stdout + done.stderr
