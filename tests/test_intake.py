"""Show which file of what was sent is judged, and that nothing but a regular file is read."""

import hashlib
import os
import socket
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.errors import InvalidSubmission, UsageError
from grader.intake import IntakeLimits, read_submission
from grader.model import Submission

NAMES = ("submission.py", "solution.py")
CODE = b"def forward(seed):\n    return seed\n"
OTHER = b"x = 1\n"


def read(path: Path, limits: IntakeLimits | None = None) -> Submission:
    limits = limits or IntakeLimits()
    return read_submission(path, file_names=NAMES, entry="forward", limits=limits)


def refusal(path: Path, limits: IntakeLimits | None = None) -> str:
    with pytest.raises(InvalidSubmission) as refused:
        read(path, limits)
    return refused.value.message


def folder(root: Path, **files: bytes) -> Path:
    """Write files; "__" in a keyword is "/", "_py" at its end ".py"."""
    for key, data in files.items():
        path = root / (key.replace("__", "/").removesuffix("_py") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def test_a_python_file_is_read_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "My homework.PY").write_bytes(CODE)
    digest = hashlib.sha256(CODE).hexdigest()
    assert read(tmp_path / "My homework.PY") == Submission("My homework.PY", CODE, digest)


def test_a_hostile_file_name_is_made_printable(tmp_path: Path) -> None:
    path = tmp_path / "a\u202e\x1b[2J.py"
    path.write_bytes(CODE)
    assert read(path).name == r"a\u202e\u001b[2J.py"


@pytest.mark.parametrize("name", ["gone.py", "gone/solution.py", "a" * 300, "nul\0.py"])
def test_a_path_that_names_nothing_is_a_usage_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be opened"):
        read(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_a_path_that_may_not_be_opened_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "solution.py").write_bytes(CODE)
    (tmp_path / "solution.py").chmod(0)
    with pytest.raises(UsageError, match=r"Permission denied\); check its permissions"):
        read(tmp_path / "solution.py")


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hw.rar").write_bytes(CODE)
    assert "send a .py, .ipynb or .zip file" in refusal(tmp_path / "hw.rar")


def test_size_is_limited_by_the_bytes_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "solution.py"
    path.write_bytes(b"#" * (256 << 10))
    assert len(read(path).source) == 256 << 10
    path.write_bytes(b"#" * ((256 << 10) + 1))
    assert refusal(path) == "solution.py is larger than 256 KiB; send only the code."
    os.truncate(path, 1 << 40)
    assert "larger than 256 KiB" in refusal(path)


def test_a_link_is_refused_wherever_it_points(tmp_path: Path) -> None:
    (tmp_path / "real.py").write_bytes(CODE)
    (tmp_path / "link.py").symlink_to("real.py")
    (tmp_path / "solutions").symlink_to(tmp_path)
    (tmp_path / "loop.py").symlink_to("loop.py")
    for name in ("link.py", "solutions", "loop.py"):
        assert "is a link" in refusal(tmp_path / name)


def test_a_fifo_a_socket_and_a_device_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.py")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.py"))
    for path in (tmp_path / "fifo.py", tmp_path / "socket.py", Path("/dev/zero")):
        assert "is not a regular file" in refusal(path)


def test_the_best_expected_name_is_taken(tmp_path: Path) -> None:
    folder(tmp_path, solution=CODE, other=CODE)
    assert read(tmp_path).name == "solution.py"
    folder(tmp_path, submission=OTHER)
    assert read(tmp_path).name == "submission.py"


def test_an_expected_name_may_lie_three_folders_down(tmp_path: Path) -> None:
    folder(tmp_path, a__b__c__solution=CODE, test_it=CODE)
    assert read(tmp_path).name == "a/b/c/solution.py"


def test_a_fourth_folder_is_not_entered(tmp_path: Path) -> None:
    folder(tmp_path, a__b__c__d__solution=CODE)
    assert "There is no file in it; send submission.py" in refusal(tmp_path)


def test_an_expected_name_at_the_top_wins_over_copies_below(tmp_path: Path) -> None:
    folder(tmp_path, solution=CODE, old__solution=OTHER)
    assert read(tmp_path).name == "solution.py"


def test_an_expected_name_twice_below_is_refused(tmp_path: Path) -> None:
    folder(tmp_path, a__solution=CODE, b__solution=CODE)
    assert "a/solution.py, b/solution.py; send only one" in refusal(tmp_path)


def test_the_only_python_file_is_taken_whatever_its_name(tmp_path: Path) -> None:
    folder(tmp_path, jax=CODE)
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "draft.ipynb").write_text("{}")
    assert read(tmp_path) == Submission("jax.py", CODE, hashlib.sha256(CODE).hexdigest())


def test_the_only_notebook_is_taken_when_there_is_no_python_file(tmp_path: Path) -> None:
    (tmp_path / "hw.ipynb").write_text('{"cells": [{"cell_type": "code", "source": "x = 1"}]}')
    assert read(tmp_path).source == b"x = 1\n"


def test_among_several_the_one_that_defines_the_function_is_taken(tmp_path: Path) -> None:
    folder(tmp_path, helper=b"forward = 1\ndef forward_pass(): 0\n", mine=CODE, jax=OTHER)
    folder(tmp_path, data=b"#" * (300 << 10))
    assert read(tmp_path).name == "mine.py"


@pytest.mark.parametrize("text", [CODE, OTHER])
def test_several_that_fit_equally_are_refused_with_five_names(tmp_path: Path, text: bytes) -> None:
    for number in range(7):
        (tmp_path / f"a{number}\u202e.py").write_bytes(text)
    said = refusal(tmp_path)
    assert r"a4\u202e.py, and 2 more; send one, or name it submission.py" in said
    assert "a5" not in said


def test_only_so_many_files_are_looked_into(tmp_path: Path) -> None:
    folder(tmp_path, a=CODE, b=OTHER, c=OTHER)
    assert read(tmp_path, IntakeLimits(candidates=3)).name == "a.py"
    assert "not clear which file" in refusal(tmp_path, IntakeLimits(candidates=2))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert "There is no file in it; send submission.py or solution.py" in refusal(tmp_path)


def test_what_tools_leave_behind_is_ignored(tmp_path: Path) -> None:
    folder(tmp_path, mine=OTHER, __MACOSX___mine=CODE)
    for hidden in (".git/mine.py", ".ipynb_checkpoints/mine.py", "._mine.py", "__pycache__/m.py"):
        (tmp_path / hidden).parent.mkdir(exist_ok=True)
        (tmp_path / hidden).write_bytes(CODE)
    assert read(tmp_path).source == OTHER


def test_a_shadowing_module_beside_the_file_is_never_read(tmp_path: Path) -> None:
    folder(tmp_path, solution=CODE, numpy=b"\0" * (1 << 20))
    os.mkfifo(tmp_path / "jax.py")
    assert read(tmp_path).source == CODE


def test_the_expected_name_as_a_link_or_fifo_is_refused(tmp_path: Path) -> None:
    folder(tmp_path, mine=CODE)
    (tmp_path / "solution.py").symlink_to("mine.py")
    assert "solution.py is a link" in refusal(tmp_path)
    (tmp_path / "solution.py").unlink()
    os.mkfifo(tmp_path / "solution.py")
    assert "solution.py is not a regular file" in refusal(tmp_path)


def test_another_link_is_ignored_and_a_folder_loop_is_not_entered(tmp_path: Path) -> None:
    folder(tmp_path, mine=CODE)
    (tmp_path / "link.py").symlink_to("/etc/passwd")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert read(tmp_path).name == "mine.py"
    (tmp_path / "mine.py").unlink()
    assert "link.py is a link" in refusal(tmp_path)


def test_the_expected_name_as_a_link_to_a_folder_is_refused(tmp_path: Path) -> None:
    folder(tmp_path, mine=CODE)
    (tmp_path / "solution.py").symlink_to(tmp_path)
    assert "solution.py is a link" in refusal(tmp_path)


def test_a_folder_called_like_the_file_is_no_file(tmp_path: Path) -> None:
    folder(tmp_path, **{"solution.py__mine": CODE})
    assert read(tmp_path).name == "solution.py/mine.py"


def test_a_folder_with_too_many_entries_is_refused(tmp_path: Path) -> None:
    folder(tmp_path, solution=CODE, b=OTHER, c__d=OTHER)
    assert read(tmp_path, IntakeLimits(entries=4)).name == "solution.py"
    assert "more than 3 entries" in refusal(tmp_path, IntakeLimits(entries=3))


def test_reading_a_folder_leaves_no_descriptor_open(tmp_path: Path) -> None:
    folder(tmp_path, a__b__solution=CODE)
    before = len(os.listdir("/proc/self/fd"))
    read(tmp_path)
    refusal(tmp_path, IntakeLimits(entries=1))
    assert len(os.listdir("/proc/self/fd")) == before


NOTEBOOK = b'{"cells": [{"cell_type": "code", "source": ["x = 1\\n", "%t"]}], "nbformat": 4}'
PIECES = [
    b"def ",
    b"(",
    b"f'{",
    b"'''",
    b"\n ",
    b"\\",
    b"\xff",
    b"a.",
    b"lambda:",
    b"# coding: x\n",
]


@settings(max_examples=80, deadline=60_000)  # milliseconds
@given(
    st.sampled_from(["a.py", "a.ipynb", "a.zip"]),
    st.binary(max_size=300) | st.lists(st.sampled_from(PIECES)).map(b"".join),
    st.integers(0, len(NOTEBOOK)),
    st.booleans(),
)
def test_any_bytes_are_read_or_refused(name: str, data: bytes, cut: int, wrap: bool) -> None:
    with tempfile.TemporaryDirectory() as root:
        path = Path(root, name)
        path.write_bytes(NOTEBOOK[:cut] + data + NOTEBOOK[cut:] if wrap else data)
        try:
            said = read(path).source.decode()
        except InvalidSubmission as refused:
            said = refused.message
    assert said.isprintable() or name != "a.zip"
