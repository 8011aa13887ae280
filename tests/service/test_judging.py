"""The real judging process judges, survives what dies, and ends with its parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import CACHE, FIXTURES, sandbox_called
from processes import descendants, is_alive, until

import reference
from grader.report.document import from_json
from grader.service.judging.process import JudgingProcess
from grader.service.judging.work import GraderDied, Work

FOLDER = str(reference.load(reference.DEFAULT).folder)


@pytest.fixture
def grader(monkeypatch: pytest.MonkeyPatch) -> Iterator[JudgingProcess]:
    sandbox_called("bubblewrap")
    monkeypatch.setenv("GRADER_CACHE", str(CACHE))
    monkeypatch.setenv("GRADER_DATABASE_URL", "postgresql+psycopg://x:hunter2@db/grader")
    opened = JudgingProcess(sandbox="bubblewrap", workers="auto", deadline_s=300)
    yield opened
    opened.close()


def work(*files: tuple[str, bytes]) -> Work:
    return Work(FOLDER, files)


def fixture(name: str) -> bytes:
    return (FIXTURES / name / "submission.py").read_bytes()


def test_fixtures_get_their_verdicts_one_after_the_other(grader: JudgingProcess) -> None:
    right = grader.grade(work(("submission.py", fixture("accepted/plain"))))
    first = grader._peer
    assert from_json(right.report).verdict == "accepted"
    hostile = grader.grade(work(("hw.py", fixture("hostile/exit_in_call"))))
    assert from_json(hostile.report).verdict != "accepted"
    refused = grader.grade(work(("hw.py", b"def (:\n")))
    assert from_json(refused.report).verdict == "invalid_submission"
    several = grader.grade(
        work(("submission.py", fixture("accepted/plain")), ("notes.py", b"x = 1\n"))
    )
    assert from_json(several.report).verdict == "accepted"
    assert grader._peer is first  # kept from one to the next


def test_an_exercise_that_is_not_there_is_our_error(grader: JudgingProcess) -> None:
    reply = grader.grade(Work("/nowhere/at/all", (("hw.py", b""),)))
    assert "no exercise.py" in reply.error


def test_a_file_name_that_is_a_path_is_never_written(grader: JudgingProcess) -> None:
    assert "may not be a path" in grader.grade(work(("../hw.py", b"x"))).error


def test_no_secret_of_the_service_reaches_it(grader: JudgingProcess) -> None:
    grader.grade(Work("/nowhere", (("hw.py", b""),)))
    assert grader._peer is not None
    environment = Path(f"/proc/{grader._peer.pid}/environ")
    try:
        assert b"hunter2" not in environment.read_bytes()
    except PermissionError:  # it has closed its memory, and so its environment, to us too
        assert os.getuid() != 0


def test_a_process_that_is_killed_is_told_and_replaced(grader: JudgingProcess) -> None:
    grader.grade(Work("/nowhere", (("hw.py", b""),)))
    assert grader._peer is not None
    grader._peer.kill()
    with pytest.raises(GraderDied, match="signal 9"):
        grader.grade(work(("hw.py", b"")))
    assert "no exercise.py" in grader.grade(Work("/nowhere", (("hw.py", b""),))).error


def test_a_process_that_does_not_answer_is_ended(grader: JudgingProcess) -> None:
    grader.grade(Work("/nowhere", (("hw.py", b""),)))
    assert grader._peer is not None
    pid = grader._peer.pid
    os.kill(pid, signal.SIGSTOP)
    grader._deadline_s = 0.5
    with pytest.raises(GraderDied, match="no answer in time"):
        grader.grade(work(("hw.py", b"")))
    assert not Path(f"/proc/{pid}").exists()


ASK = """
from grader.service.judging.process import JudgingProcess
from grader.service.judging.work import Work
judging = JudgingProcess(sandbox="bubblewrap", workers="auto", deadline_s=600)
judging.grade(Work("/nowhere", (("a", b""),)))
print(judging._peer.pid, flush=True)
judging.grade(Work({folder!r}, (("hw.py", {source!r}),)))
import time; time.sleep(600)
"""


@pytest.mark.parametrize("source", ["def (:", "while True: pass"], ids=["idle", "grading"])
def test_it_ends_when_its_parent_is_killed(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox_called("bubblewrap")
    monkeypatch.setenv("GRADER_CACHE", str(CACHE))
    code = ASK.format(folder=FOLDER, source=source.encode())
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        pid = int(one.stdout.readline())
        if "while" in source:
            until(lambda: len(descendants(pid)) > 2)  # a template, or a worker, within its wall
        family = [pid, *descendants(pid)]
        one.kill()
    until(lambda: not any(map(is_alive, family)))
