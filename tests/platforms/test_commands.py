"""`render` and `validate` work on stored reports anywhere, as typed in a shell."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest
from conftest import CACHE
from samples import internal_error, wrong_answer

from grader.cli.common import SandboxName
from grader.platforms import NAMES, find, supervisor
from grader.platforms.platform import NOT_JUDGED
from grader.report.document import from_json, to_json
from grader.report.views import for_student


def grader(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grader", *map(str, arguments)]
    environment = {**os.environ, "GRADER_CACHE": str(CACHE)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "report.json"
    path.write_bytes(to_json(wrong_answer()))
    return path


@pytest.mark.parametrize("name", NAMES)
def test_a_stored_report_is_rendered_and_taken(name: str, stored: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "result"
    done = grader("render", stored, "--platform", name, "--output", target)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    again = grader("validate", target, "--platform", name)
    assert again.returncode == 0, again.stdout
    assert find(name).title in again.stdout


def test_a_platform_shows_no_more_than_a_student_may_see(stored: Path) -> None:
    seen = json.loads(grader("render", stored, "--platform", "json").stdout)
    assert (seen["shown"]["view"], seen["suite"]["seed"], seen["cases"]) == ("student", "", [])
    less = grader("render", stored, "--platform", "gradescope", "--feedback", "category").stdout
    assert "numpy" not in less
    stored.write_bytes(to_json(for_student(wrong_answer(), "score")))
    assert json.loads(grader("render", stored, "--platform", "gradescope").stdout)["tests"] == []
    refused = grader("render", stored, "--platform", "gradescope", "--feedback", "full")
    assert refused.returncode == 2


@pytest.mark.parametrize("encoding", ["utf-8:strict", "latin-1:strict"])
def test_text_that_standard_output_cannot_hold_is_escaped(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    result = tmp_path / "r"
    result.write_text('{"_presentation": "semantic", "stages": ["A"], "A": {"\\ud800": 3}}\n{}\n')
    done = grader("validate", result, "--platform", "autolab")
    assert (done.returncode, done.stderr) == (1, "")
    assert r"A.\ud800 must be an object" in done.stdout
    target = tmp_path / "\udcff語.zip"  # the first is a byte that is no UTF-8
    done = grader("package", "--platform", "gradescope", "-o", target)
    assert (done.returncode, done.stderr) == (0, "")
    assert r"\udcff" in done.stdout and target.is_file()


@pytest.mark.parametrize("text", ["-1", "0", "inf", "nan", "1e9", "soon"])
def test_a_budget_that_is_none_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        supervisor.main(["--platform", "json", f"--budget-s={text}"])
    assert "more than 0 and below 1e9" in capsys.readouterr().err


def test_a_wall_is_one_that_grade_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert tuple(SandboxName) == supervisor.SANDBOXES
    with pytest.raises(SystemExit, match="2"):
        supervisor.main(["--platform", "json", "--sandbox", "paper"])
    assert "bubblewrap" in capsys.readouterr().err


PRINTING = {
    "echo": ["exercises"],
    "text": ["render", "report.json"],
    "platform": ["render", "report.json", "--platform", "json"],
    "large": ["schema"],
    "validate": ["validate", "report.json", "--platform", "json"],
}


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("what", PRINTING)
def test_a_reader_that_has_gone_ends_a_command_without_a_word(
    what: str, unbuffered: str, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = printed(PRINTING[what], closed, stored.parent)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("what", PRINTING)
def test_a_full_disk_is_named(
    what: str, unbuffered: str, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with open("/dev/full", "wb") as full:
        done = printed(PRINTING[what], full, stored.parent)
    said = b"grader: cannot write standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, said)


@pytest.mark.parametrize("what", PRINTING)
def test_a_closed_standard_output_is_named(what: str, stored: Path) -> None:
    arguments = [sys.executable, "-m", "grader", *PRINTING[what]]
    done = subprocess.run(
        ["bash", "-c", 'exec "$@" >&-', "bash", *arguments],
        stderr=subprocess.PIPE,
        cwd=stored.parent,
        check=False,
    )
    said = b"grader: cannot write standard output: Bad file descriptor\n"
    assert (done.returncode, done.stderr) == (2, said)


def printed(
    arguments: list[str], into: BinaryIO, folder: Path
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "grader", *arguments],
        stdout=into,
        stderr=subprocess.PIPE,
        cwd=folder,
        check=False,
    )


def test_a_platform_has_a_form_of_its_own(stored: Path) -> None:
    done = grader("render", stored, "--platform", "gradescope", "--format", "html")
    assert (done.returncode, done.stdout) == (2, "")
    assert "leave out --format html" in done.stderr


def test_a_pipe_gets_one_result_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, sent = tmp_path / "result", tmp_path / "hw"
    os.mkfifo(pipe)
    sent.mkdir()
    (sent / "submission.py").write_text("x = (\n")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    grader("run", "--platform", "json", "--submission", sent, "--output", pipe)
    with os.fdopen(reader, "rb") as opened:
        assert from_json(opened.read()).verdict == "invalid_submission"
    assert pipe.is_fifo()


@pytest.mark.parametrize("target", ["", ".", "/"])
def test_a_folder_is_no_target(target: str, stored: Path) -> None:
    done = grader("render", stored, "--platform", "json", "--output", target)
    assert (done.returncode, "cannot write" in done.stderr) == (2, True)


def test_a_result_that_names_a_folder_is_our_error(tmp_path: Path) -> None:
    done = grader("run", "--platform", "json", "--submission", tmp_path, "--output", tmp_path)
    assert done.returncode == NOT_JUDGED
    assert "the result cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_and_metadata_reach_the_result(stored: Path, tmp_path: Path) -> None:
    settings, metadata = tmp_path / "grading.toml", tmp_path / "metadata.json"
    settings.write_text("[gradescope]\npoints = 10\n")
    metadata.write_text(
        '{"previous_submissions": [{"submission_time": "2026-03-01T10:00:00Z", "score": 4}]}'
    )
    more = ("--platform", "gradescope", "--settings", settings, "--metadata", metadata)
    assert json.loads(grader("render", stored, *more).stdout)["score"] == 2.9
    stored.write_bytes(to_json(internal_error()))
    assert json.loads(grader("render", stored, *more).stdout)["score"] == 4


def test_an_error_of_ours_prints_no_grade(stored: Path) -> None:
    stored.write_bytes(to_json(internal_error()))
    done = grader("render", stored, "--platform", "autolab")
    assert (done.returncode, done.stdout) == (3, "")
    assert "gets no result" in done.stderr


def test_a_result_that_breaks_a_rule_exits_1_and_names_it(tmp_path: Path) -> None:
    path = tmp_path / "feedback.json"
    path.write_text('{"fractionalScore": true, "feedback": "", "feedbackType": "HTML"}')
    done = grader("validate", "--platform", "coursera", path)
    assert done.returncode == 1
    assert "fractionalScore is a boolean; it must be a number" in done.stdout
    assert "htmlFeedback.html, which is missing" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("validate", "--platform", "moodle", "x"), "moodle"),
        (("validate", "--platform", "github", "no/such.json"), "no/such.json"),
        (("render", "no.json", "--platform", "github"), "no.json"),
        (("run", "--platform", "moodle"), "moodle"),
        (("run",), "--platform"),
    ],
)
def test_a_mistyped_command_exits_2(arguments: tuple[str, ...], said: str) -> None:
    done = grader(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_help_lists_the_commands() -> None:
    text = grader("--help").stdout
    assert "run" in text
    assert "validate" in text
    assert "--platform" in grader("run", "--help").stdout
