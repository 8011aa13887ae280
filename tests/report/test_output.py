"""A report goes into its file whole, and a device stays a device."""

import os
from pathlib import Path

import pytest

from grader.errors import UsageError
from grader.report.output import put


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    put("old", tmp_path / "report.json")
    put("new", tmp_path / "report.json")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("report.json", "new")]


def test_what_is_no_file_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    put("text", pipe)
    assert os.read(reader, 10) == b"text"
    os.close(reader)
    assert pipe.is_fifo()


@pytest.mark.parametrize("target", ["", ".", "/", ".."])
def test_a_folder_is_refused(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="cannot write"):
        put("text", Path(target))
    assert not list(tmp_path.iterdir())
