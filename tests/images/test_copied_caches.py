"""The images' command `grader` keeps one copy of the caches that it cannot write to."""

import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import ROOT

_SCRIPT = ROOT / "tools/images/grader"
Run = Callable[[], Path]


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


@pytest.fixture
def run(tmp_path: Path, temporary: Path) -> Run:
    """Run the script with paths of the test's; return the cache that the program is given."""
    warm, program, script = tmp_path / "warm", tmp_path / "program", tmp_path / "grader"
    (warm / "compile").mkdir(parents=True)
    (warm / "compile" / "one").write_text("compiled")
    # There is no expected.sqlite: even root, who may write anywhere, does not take it for writable.
    program.write_text('#!/bin/sh\necho "$GRADER_CACHE"\n')
    program.chmod(0o755)
    text = _SCRIPT.read_text().replace("warm=/var/cache/nnx-grader", f"warm={warm}")
    script.write_text(text.replace("/opt/nnx-grader/judge/bin/grader", str(program)))

    def once() -> Path:
        environment = {"PATH": os.environ["PATH"], "TMPDIR": str(temporary)}
        command = ["sh", str(script), "doctor"]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stderr == ""
        return Path(done.stdout.strip())

    return once


def test_all_commands_of_a_user_share_one_copy(run: Run, temporary: Path) -> None:
    first = run()
    (first / "expected.sqlite").write_text("what was computed")
    assert {run() for _ in range(3)} == {first}
    assert first == temporary / f"nnx-grader-{os.getuid()}"
    assert list(temporary.iterdir()) == [first]
    assert (first / "compile" / "one").read_text() == "compiled"
    assert (first / "expected.sqlite").read_text() == "what was computed"
    assert first.stat().st_mode & 0o777 == 0o711


def test_commands_that_begin_at_once_leave_one_copy(run: Run, temporary: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: run(), range(8)))
    assert list(temporary.iterdir()) == list(found)


def test_a_link_that_somebody_laid_is_not_followed(
    run: Run, temporary: Path, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (temporary / f"nnx-grader-{os.getuid()}").symlink_to(theirs)
    cache = run()
    assert cache.resolve() != theirs and (cache / "compile" / "one").is_file()
    assert list(theirs.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_not_taken(run: Run, temporary: Path) -> None:
    theirs = temporary / f"nnx-grader-{os.getuid()}"
    theirs.mkdir()
    (theirs / "expected.sqlite").write_text("their answers")
    os.chown(theirs, 65534, 65534)
    cache = run()
    assert cache != theirs and not (cache / "expected.sqlite").exists()
