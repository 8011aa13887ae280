"""`grader batch` as typed in a shell: what it writes, what it survives, what it says."""

import csv
import json
import os
import pty
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import CACHE, FIXTURES
from processes import until

from grader.batch.reports import STAFF, STUDENTS
from grader.errors import SubmissionError
from grader.intake import read_submission
from grader.judge import Judge
from grader.meter import Meter
from grader.model import Exercise, Report, Sandbox
from grader.oracle import Oracle
from grader.report.document import differences, from_json
from grader.result import refuse

MIX = (
    *("accepted/plain", "accepted/loop_over_blocks", "rejected/pool_max", "rejected/gelu"),
    *("rejected/num_classes_not_cast", "hostile/exit_in_call", "hostile/syntax_error"),
    *("hostile/markup_in_error", "hostile/forged_observation", "hostile/not_utf8"),
)
CASES = 24


def environment(**variables: str) -> dict[str, str]:
    return {**os.environ, "GRADER_CACHE": str(CACHE), **variables}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "grader.cli", "batch", *map(str, arguments)]


def batch(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        env=environment(**variables),
        check=False,
    )


def results(output: Path) -> dict[str, dict[str, object]]:
    lines = (output / "results.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row for row in rows}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class of every kind, two of them twice."""
    folder = tmp_path_factory.mktemp("class")
    for name in MIX:
        shutil.copytree(FIXTURES / name, folder / Path(name).name)
    shutil.copytree(FIXTURES / "accepted/plain", folder / "=cmd() copy of plain")
    shutil.copytree(FIXTURES / "rejected/gelu", folder / "zz copy of gelu")
    return folder


@pytest.fixture(scope="module")
def graded(mixed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("graded") / "out"
    done = batch(mixed, "-o", output, "--jobs", 2, "--cases", CASES)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return output


def alone(folder: Path, judge: Judge, oracle: Oracle) -> Report:
    exercise = judge.exercise
    try:
        read = read_submission(folder, file_names=exercise.file_names, entry=exercise.entry)
    except SubmissionError as error:
        return refuse(exercise, folder.name, error, Meter(oracle).usage())
    return judge.grade(read)


def test_no_report_differs_from_grading_one_by_one(
    mixed: Path, graded: Path, exercise: Exercise, bubblewrap: Sandbox, oracle: Oracle
) -> None:
    judge = Judge(exercise, bubblewrap, oracle, cases=CASES)
    rows = results(graded)
    assert sorted(rows) == sorted(path.name for path in mixed.iterdir())
    for name, row in rows.items():
        report = from_json((graded / STAFF / f"{row['report']}.json").read_bytes())
        expected = alone(mixed / name, judge, oracle)
        # How its worker was started is said, and changes nothing else.
        assert set(differences(report, expected)) <= {"confined_by"}, name
        assert (row["verdict"], row["score"]) == (expected.verdict, expected.score)
        student = from_json((graded / STUDENTS / f"{row['report']}.json").read_bytes())
        assert student.shown.view == "student" and student.cases == []


def test_everything_that_is_promised_is_written(mixed: Path, graded: Path) -> None:
    rows = results(graded)
    for row in rows.values():
        for folder in (STAFF, STUDENTS):
            for suffix in ("json", "html"):
                assert (graded / folder / f"{row['report']}.{suffix}").is_file()
    with open(graded / "results.csv", encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    assert {line["submission"].removeprefix("'") for line in table} == set(rows)
    assert not [line for line in table if any(v and v[0] in "=+-@" for v in line.values())]
    page = (graded / "class.html").read_text()
    assert "GELU in place of ReLU" in page
    assert "the same file" in page
    hidden = {"results.jsonl", "results.csv", "class.html", "batch.json", ".lock"}
    assert {path.name for path in graded.iterdir()} == hidden | {STAFF, STUDENTS}
    assert not list(graded.rglob("*.partial"))


def test_whose_export_it_is_and_what_is_no_submission_are_said(tmp_path: Path) -> None:
    hers = tmp_path / "class" / "Jane Doe_7_assignsubmission_file_"
    hers.mkdir(parents=True)
    (hers / "submission.py").write_text("x = (\n")
    for number in range(22):
        (tmp_path / "class" / f"notes {number:02}.docx").touch()
    (tmp_path / "roster.csv").write_text("id,name\n12,Jane Doe\n")
    roster = ("--roster", tmp_path / "roster.csv")
    done = batch(tmp_path / "class", "-o", tmp_path / "out", *roster)
    assert done.returncode == 0, done.stderr
    assert "read as an export of Moodle" in done.stderr
    assert "not in the roster: Jane Doe_7_assignsubmission_file_\n" in done.stderr
    assert "notes 19.docx, and 2 more, see class.html" in done.stderr
    assert "notes 21.docx" in (tmp_path / "out" / "class.html").read_text()


def test_resuming_grades_what_is_new_or_changed_and_nothing_else(
    mixed: Path, graded: Path, tmp_path: Path
) -> None:
    output, folder = tmp_path / "out", tmp_path / "class"
    shutil.copytree(graded, output)
    shutil.copytree(mixed, folder)  # keeps times
    before = results(output)
    (folder / "syntax_error" / "submission.py").write_text("x = (\n")
    (folder / "new.py").write_text("x = (\n")
    done = batch(folder, "-o", output, "--resume", "--cases", CASES)
    assert done.returncode == 0, done.stderr
    after = results(output)
    assert set(after) - set(before) == {"new.py"}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"syntax_error"}
    assert batch(folder, "-o", output, "--cases", CASES).returncode == 2
    other = batch(folder, "-o", output, "--resume", "--cases", CASES + 1)
    assert other.returncode == 2 and "cases" in other.stderr


def test_resuming_gives_nobody_the_grade_of_a_file_that_was_replaced(tmp_path: Path) -> None:
    output, folder = tmp_path / "out", tmp_path / "class"
    folder.mkdir()
    wrong, right = (
        (FIXTURES / name / "submission.py").read_text()
        for name in ("rejected/pool_max", "accepted/plain")
    )
    (folder / "a.py").write_text(wrong)
    assert batch(folder, "-o", output, "--jobs", 1, "--cases", CASES).returncode == 0
    (folder / "a.py").write_text(right)
    (folder / "b.py").write_text(wrong)
    again = batch(folder, "-o", output, "--jobs", 1, "--cases", CASES, "--resume")
    assert again.returncode == 0, again.stderr
    verdicts = {name: row["verdict"] for name, row in results(output).items()}
    assert verdicts == {"a.py": "accepted", "b.py": "wrong_answer"}


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A class in which everybody made a mistake of their own in the syntax: cheap to grade."""
    folder = tmp_path / "class"
    folder.mkdir()
    for number in range(30):
        (folder / f"s{number:02}.py").write_text(f"x{number} = (\n")
    return folder


def lines(output: Path) -> int:
    path = output / "results.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_kill_9_at_any_instant_loses_nothing(broken: Path, tmp_path: Path) -> None:
    output, mark, source = tmp_path / "out", uuid.uuid4().hex, random.Random(1)
    for _ in range(4):
        wanted = lines(output) + source.randint(0, 6)
        with subprocess.Popen(
            command(broken, "-o", output, "--resume", "--jobs", 2), env=environment(MARK=mark)
        ) as process:
            while lines(output) < wanted and process.poll() is None:
                time.sleep(0.01)
            time.sleep(source.random() / 20)
            process.kill()
        wait_until_gone(mark)
    kept = lines(output)
    last = batch(broken, "-o", output, "--resume", "--jobs", 2)
    assert last.returncode == 0, last.stderr
    rows = results(output)
    assert kept <= len(rows) == 30
    assert {row["verdict"] for row in rows.values()} == {"invalid_submission"}
    reports = [from_json(path.read_bytes()) for path in (output / STAFF).glob("*.json")]
    assert len(reports) == 30


def wait_until_gone(mark: str) -> None:
    """Wait until every process that was started with this mark has ended by itself."""
    until(lambda: not list(marked(mark)))


def marked(mark: str) -> Iterator[str]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                if mark.encode() in Path(entry.path, "environ").read_bytes():
                    yield entry.name
            except OSError:
                continue


@pytest.mark.parametrize("times", [1, 20], ids=["once", "impatiently"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_keeps_what_is_done_and_says_how_to_go_on(
    broken: Path, tmp_path: Path, number: signal.Signals, times: int
) -> None:
    # It is ignored, and so by every child, where the tests run in the background of a shell.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    output, mark = tmp_path / "out", uuid.uuid4().hex
    for late in range(30, 2000):  # enough that it is still at work when it is told to stop
        (broken / f"s{late}.py").write_text(f"x{late} = (\n")
    with subprocess.Popen(
        command(broken, "-o", output, "--jobs", 1),
        env=environment(MARK=mark),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while lines(output) < 2 and process.poll() is None:
            time.sleep(0.01)
        for _ in range(times):
            process.send_signal(number)
            time.sleep(0.02)
        _, said = process.communicate()
    assert process.returncode == 130, said
    assert "--resume" in said and str(output) in said
    assert "Traceback" not in said
    assert lines(output) >= 2
    wait_until_gone(mark)


@pytest.mark.parametrize("kept", [20, 40], ids=["while pages are made", "while results are kept"])
def test_a_disk_that_takes_no_more_is_named_with_how_to_go_on(
    broken: Path, tmp_path: Path, kept: int
) -> None:
    for number in range(30, 50):
        (broken / f"s{number}.py").write_text(f"x{number} = (\n")
    for path in sorted(broken.iterdir())[kept:]:
        path.unlink()
    output = tmp_path / "out"
    most = 20_000  # a report fits, 40 results or the page of a class do not
    full = subprocess.run(
        command(broken, "-o", output, "--jobs", 2),
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )
    assert full.returncode == 2, full.stderr
    assert f"grader: cannot write to {output}: File too large" in full.stderr
    assert "results are kept" in full.stderr and "--resume" in full.stderr
    assert "Traceback" not in full.stderr
    again = batch(broken, "-o", output, "--resume", "--jobs", 2)
    assert again.returncode == 0, again.stderr
    assert len(results(output)) == kept


def test_a_missing_wall_charges_nobody_and_exits_3(tmp_path: Path) -> None:
    (tmp_path / "class").mkdir()
    shutil.copy(FIXTURES / "accepted/plain/submission.py", tmp_path / "class" / "plain.py")
    (tmp_path / "class" / "broken.py").write_text("x = (\n")
    output = tmp_path / "out"
    arguments = (tmp_path / "class", "-o", output, "--cases", CASES, "--sandbox", "bubblewrap")
    done = batch(*arguments, PATH=str(tmp_path))
    assert done.returncode == 3
    assert "plain.py" in done.stderr and "--resume" in done.stderr
    rows = results(output)
    assert rows["plain.py"]["verdict"] == "internal_error"
    assert rows["broken.py"]["verdict"] == "invalid_submission"
    again = batch(*arguments, "--resume")
    assert again.returncode == 0, again.stderr
    assert results(output)["plain.py"]["verdict"] == "accepted"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("no/such/folder", "-o", "{tmp}/out"), "no/such/folder"),
        (("{tmp}/empty", "-o", "{tmp}/out"), "no submission"),
        (("{class}", "-o", "{tmp}"), "holds no batch"),
        (("{class}", "-o", "{tmp}/out", "--roster", "{tmp}/none.csv"), "none.csv"),
        (("{class}", "-o", "{tmp}/out", "--jobs", "0"), "--jobs"),
        (("{class}", "-o", "{class}/s00.py"), "s00.py"),
        (("{class}", "-o", "{class}/out"), "inside"),
        (("{class}",), "--output"),
    ],
)
def test_a_mistyped_command_exits_2_and_names_what_was_wrong(
    broken: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"tmp": str(tmp_path), "class": str(broken)}
    done = batch(*(argument.format(**places) for argument in arguments), COLUMNS="200")
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    master, slave = pty.openpty()
    yield master, slave
    os.close(master)


def test_progress_is_shown_on_a_terminal(broken: Path, tmp_path: Path) -> None:
    with (
        terminal() as (master, slave),
        subprocess.Popen(
            command(broken, "-o", tmp_path / "out", "--jobs", 1),
            stdout=subprocess.PIPE,
            stderr=slave,
            env=environment(TERM="xterm", COLUMNS="100"),
        ) as process,
    ):
        os.close(slave)
        shown = b""
        try:
            while part := os.read(master, 4096):
                shown += part
        except OSError:  # the terminal closes with the process
            pass
        assert process.wait() == 0
    assert b"30/30" in shown
    assert b"/min" in shown
    assert b"30 failed" in shown
