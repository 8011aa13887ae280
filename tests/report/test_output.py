"""A report goes into its file whole, and a device stays a device."""

import errno
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from grader.errors import UsageError
from grader.report.output import put, refuse_unwritable
from grader.report.placing import is_written_through

SHARED = Path("/dev/shm")


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


def test_a_link_is_replaced_and_what_it_names_is_left_alone(tmp_path: Path) -> None:
    kept, link = tmp_path / "kept", tmp_path / "report.json"
    kept.write_text("kept")
    link.symlink_to(kept)
    put("new", link)
    assert (kept.read_text(), link.read_text(), link.is_symlink()) == ("kept", "new", False)


def test_a_link_beside_a_target_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, target = tmp_path / "kept", tmp_path / "report.json"
    kept.write_text("kept")
    monkeypatch.setattr(os, "urandom", bytes)  # as if the name could be known
    (tmp_path / f".{bytes(8).hex()}.partial").symlink_to(kept)
    with pytest.raises(UsageError, match="File exists"):
        put("new", target)
    assert (kept.read_text(), target.exists()) == ("kept", False)


def test_a_name_may_have_all_the_bytes_that_one_can_have(tmp_path: Path) -> None:
    target = tmp_path / f"{'語' * 83}.json"
    assert len(os.fsencode(target.name)) == 254
    refuse_unwritable(target)
    put("new", target)
    assert [one.read_text() for one in tmp_path.iterdir()] == ["new"]
    with pytest.raises(UsageError, match="too long"):
        refuse_unwritable(target.with_name(f"{target.name}xx"))


def test_what_could_not_be_written_whole_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    put("old", tmp_path / "report.json")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        put("new", tmp_path / "report.json")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("report.json", "old")]


def test_a_name_of_a_stream_is_written_through(tmp_path: Path) -> None:
    with open(tmp_path / "file", "wb") as stream:
        put("text", Path(f"/proc/self/fd/{stream.fileno()}"))
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("file", "text")]


@pytest.mark.skipif(not os.access(SHARED, os.W_OK), reason="there is no such folder here")
def test_shared_memory_is_a_place_for_files() -> None:
    with TemporaryDirectory(dir=SHARED) as folder:
        target = Path(folder) / "report.json"
        refuse_unwritable(target, SHARED / "report.json")
        put("old", target)
        put("new", target)
        assert [(one.name, one.read_text()) for one in Path(folder).iterdir()] == [
            ("report.json", "new")
        ]


def test_a_stream_by_its_name_in_dev_is_written_through() -> None:
    for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/dev/new", "/dev/null"):
        assert is_written_through(Path(name)), name


@pytest.mark.parametrize("target", ["/proc/report.json", "/sys/report.json", "missing/a", "."])
def test_what_cannot_be_written_is_refused_before_any_work(target: str) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        refuse_unwritable(Path(target))


def test_looking_whether_a_target_can_be_written_leaves_it_as_it_was(tmp_path: Path) -> None:
    there, pipe = tmp_path / "there", tmp_path / "pipe"
    there.write_text("there")
    os.mkfifo(pipe)
    refuse_unwritable(there, tmp_path / "new", pipe, Path("/dev/null"))
    assert {one.name for one in tmp_path.iterdir()} == {"there", "pipe"}
    assert there.read_text() == "there"


@pytest.mark.parametrize("target", ["", ".", "/", ".."])
def test_a_folder_is_refused(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="cannot write"):
        put("text", Path(target))
    assert not list(tmp_path.iterdir())
