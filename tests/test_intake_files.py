"""Show that a file swapped after it was looked at is refused too: what is open is checked."""

import os
from pathlib import Path

import pytest

from grader.errors import InvalidSubmission
from grader.intake import IntakeLimits
from grader.intake.files import folder_files, read_file


def test_a_regular_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"12345")
    assert read_file(tmp_path / "a.py", 5) == b"12345"
    with pytest.raises(InvalidSubmission, match="larger than 4 bytes"):
        read_file(tmp_path / "a.py", 4)


def test_a_fifo_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.py")
    with pytest.raises(InvalidSubmission, match="not a regular file"):
        read_file(tmp_path / "a.py", 5)


def test_an_endless_device_is_refused() -> None:
    with pytest.raises(InvalidSubmission, match="not a regular file"):
        read_file("/dev/zero", 5)


def test_a_link_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "real.py").write_bytes(b"1")
    (tmp_path / "a.py").symlink_to("real.py")
    with pytest.raises(OSError, match="symbolic link"):
        read_file(tmp_path / "a.py", 5)


@pytest.mark.parametrize("swapped", ["hw/a.py", "hw"])
def test_a_path_swapped_for_a_link_is_refused(tmp_path: Path, swapped: str) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "a.py").write_bytes(b"key")
    root = tmp_path / "root"
    (root / "hw").mkdir(parents=True)
    (root / "hw" / "a.py").write_bytes(b"1")
    with folder_files(root, IntakeLimits()) as found:
        assert [(file.path, file.read(5)) for file in found] == [("hw/a.py", b"1")]
        (root / swapped).rename(tmp_path / "gone")
        (root / swapped).symlink_to(secret / Path(swapped).relative_to("hw"))
        with pytest.raises(InvalidSubmission, match=r"hw/a\.py cannot be read"):
            found[0].read(5)
