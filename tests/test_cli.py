"""The commands answer with the right exit codes, files and words, as typed in a shell."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from conftest import CACHE, FIXTURES
from tiny_exercise import RIGHT as TINY

from grader.model import Exercise
from grader.oracle import Oracle
from grader.questions import pose
from grader.report.document import from_json

PLAIN = str(FIXTURES / "accepted" / "plain")
WRONG = str(FIXTURES / "rejected" / "pool_max")


def grader(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GRADER_CACHE": str(CACHE), **variables}
    command = [sys.executable, "-m", "grader.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_accepted_exits_0_and_shows_the_score() -> None:
    done = grader("grade", PLAIN, "--cases", "24")
    assert done.returncode == 0, done.stderr
    assert "100 / 100" in done.stdout
    assert done.stderr == ""


def test_wrong_exits_1_and_shows_the_smallest_input() -> None:
    done = grader("grade", WRONG, "--cases", "24")
    assert done.returncode == 1
    assert "Smallest failing input" in done.stdout
    assert "the max over height and width" in " ".join(done.stdout.split())


def test_json_report_has_every_promised_field_and_follows_its_schema(
    stored: dict[str, Path],
) -> None:
    report = json.loads(stored["staff"].read_bytes())
    assert set(report) == {
        *("schema_version", "exercise", "submission", "verdict", "score", "max_score"),
        *("findings", "counterexample", "diagnosis", "stages", "cases", "suite"),
        *("confined_by", "environment", "usage", "shown"),
    }
    assert set(report["counterexample"]["arguments"]) == {"seed", "image", "num_classes"}
    assert report["suite"]["cases"] == 24
    assert report["confined_by"][0] == "bubblewrap"
    assert {"python", "jax", "flax"} <= set(report["environment"])
    schema = json.loads(grader("schema").stdout)
    assert set(schema["$defs"]["Report"]["required"]) <= set(report)


def test_replay_repeats_a_stored_report_and_refuses_to_call_another_file_the_same(
    tmp_path: Path,
) -> None:
    target = tmp_path / "report.json"
    grader("grade", WRONG, "--cases", "24", "--seed", "beef", "--format", "json", "-o", str(target))
    assert from_json(target.read_bytes()).suite.seed == "000000000000beef"
    again = grader("replay", str(target), WRONG, "--format", "json")
    assert again.returncode == 0, again.stderr
    assert "repeated bit for bit" in again.stderr
    other = grader("replay", str(target), PLAIN)
    assert other.returncode == 1
    assert "submission" in other.stderr


def test_replay_runs_no_folder_that_only_a_report_names(tiny_folder: Path, tmp_path: Path) -> None:
    target, source = tmp_path / "report.json", tmp_path / "tiny.py"
    source.write_text(TINY)
    given = ("--exercise", str(tiny_folder))
    made = grader("grade", str(source), *given, "--cases=8", "--format=json", "-o", str(target))
    assert made.returncode == 0, made.stderr
    unnamed = grader("replay", str(target), str(source))
    assert unnamed.returncode == 2
    assert "give its folder: --exercise" in unnamed.stderr
    again = grader("replay", str(target), str(source), *given)
    assert again.returncode == 0, again.stderr
    forged = tmp_path / "forged"
    forged.mkdir()
    (forged / "exercise.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    report = json.loads(target.read_text())
    report["exercise"]["name"] = str(forged)
    target.write_text(json.dumps(report))
    assert grader("replay", str(target), str(source)).returncode == 2
    assert not (tmp_path / "ran").exists()


def test_replay_asks_for_as_many_cases_where_more_are_thrown_out_than_there_are_spares(
    tiny_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / tiny_folder.name
    shutil.copytree(tiny_folder, folder)
    own = folder / "exercise.py"
    strict, cut = re.subn("smallest_scale=[-0-9.e]+", "smallest_scale=3.5", own.read_text())
    assert cut == 1
    own.write_text(strict)
    target, source = tmp_path / "report.json", tmp_path / "tiny.py"
    source.write_text(TINY)
    given = ("--exercise", str(folder))
    made = grader("grade", str(source), *given, "--cases=24", "--format=json", "-o", str(target))
    assert made.returncode == 0, made.stderr
    suite = json.loads(target.read_text())["suite"]
    assert 0 < suite["cases"] < suite["asked"] == 24
    again = grader("replay", str(target), str(source), *given)
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(("part", "value"), [("seed", "zz"), ("asked", -5), ("asked", 10**30)])
def test_replay_refuses_a_suite_that_was_never_drawn(
    stored: dict[str, Path], part: str, value: object, tmp_path: Path
) -> None:
    report = json.loads(stored["staff"].read_text())
    report["suite"][part] = value
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(report))
    done = grader("replay", str(forged), WRONG)
    assert done.returncode == 2
    assert "it was edited" in done.stderr or "not a report" in done.stderr


def test_a_report_that_is_no_utf8_is_no_report(stored: dict[str, Path], tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.json"
    damaged.write_bytes(stored["staff"].read_bytes().replace(b"resnet", b"\xffesnet"))
    done = grader("render", str(damaged))
    assert (done.returncode, "not a report" in done.stderr) == (2, True)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The staff report of a wrong answer, and what a student sees of it at one level."""
    folder = tmp_path_factory.mktemp("stored")
    paths = {name: folder / f"{name}.json" for name in ("staff", "student")}
    into = ("--format", "json", "--output", str(paths["staff"]))
    graded = grader("grade", WRONG, "--cases", "24", *into)
    assert (graded.returncode, graded.stdout) == (1, ""), graded.stderr
    assert [path.name for path in folder.iterdir()] == ["staff.json"], "and nothing beside it"
    more = ("--feedback", "category", "--format", "json", "-o", str(paths["student"]))
    made = grader("render", str(paths["staff"]), *more)
    assert made.returncode == 0, made.stderr
    return paths


def test_every_form_of_one_grading_shows_the_same_view(tmp_path: Path) -> None:
    targets = {name: tmp_path / name for name in ("json", "html", "junit")}
    forms = ("--html", str(targets["html"]), "--junit", str(targets["junit"]))
    main = ("--format", "json", "--output", str(targets["json"]), "--feedback", "category")
    done = grader("grade", WRONG, "--cases", "24", *main, *forms)
    assert done.returncode == 1, done.stderr
    report = from_json(targets["json"].read_bytes())
    assert (report.shown.view, report.shown.feedback) == ("student", "category")
    assert (report.cases, report.counterexample, report.suite.seed) == ([], None, "")
    suite = ElementTree.fromstring(targets["junit"].read_text())[0]
    assert len(suite.findall("testcase")) == len(report.findings)
    assert {p.get("value") for p in suite.iter("property") if p.get("name") == "feedback"} == {
        "category"
    }
    page = targets["html"].read_text()
    assert "nnx.Module" in page  # the submission is quoted
    assert "import numpy as np" not in page  # as the counterexample's snippet begins
    assert sorted(path.name for path in tmp_path.iterdir()) == ["html", "json", "junit"]


def test_a_stored_report_is_rendered_as_it_was_or_as_a_student_may_see_it(
    stored: dict[str, Path],
) -> None:
    for path in stored.values():
        again = grader("render", str(path), "--format", "json")
        assert (again.returncode, again.stdout) == (0, path.read_text())
    assert "wrong answer" in grader("render", str(stored["student"])).stdout
    for more, view in (((), "staff"), (("--view", "student"), "student")):
        done = grader("render", str(stored["staff"]), *more, "--feedback", "full", "--format=json")
        assert json.loads(done.stdout)["shown"] == {"view": view, "feedback": "full"}


@pytest.mark.parametrize(
    ("command", "more", "said"),
    [
        ("render", ("--view", "staff"), "--view staff needs the staff report"),
        ("render", ("--feedback", "full"), "use the staff report"),
        ("replay", (WRONG,), "replay needs the staff report"),
    ],
)
def test_a_students_document_shows_no_more_than_it_holds(
    stored: dict[str, Path], command: str, more: tuple[str, ...], said: str
) -> None:
    done = grader(command, str(stored["student"]), *more)
    assert done.returncode == 2
    assert "made for a student" in done.stderr
    assert said in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("grade", "no/such/file.py"), "no/such/file.py"),
        (("grade", PLAIN, "--exercise", "no_such"), "no_such"),
        (("grade", PLAIN, "--sandbox", "none"), "none"),
        (("grade", PLAIN, "--seed", "xyz"), "hexadecimal"),
        (("grade", PLAIN, "--cases", "0"), "--cases"),
        (("replay", "no/report.json", PLAIN), "no/report.json"),
        (("replay", f"{PLAIN}/submission.py", PLAIN), "not a report"),
        (("nonsense",), "nonsense"),
        (("grade", PLAIN, "--feedback", "nothing"), "nothing"),
        (("grade", PLAIN, "--view", "staff", "--feedback", "score"), "--view student"),
        (("grade", PLAIN, "--html", "same", "--junit", "./same"), "the same file"),
        (("check", "--format", "html"), "text or json"),
        (("grade", PLAIN, "--seed=-1"), "0 or more"),
        (("grade", PLAIN, "--seed", "seed"), "hexadecimal"),
        (("render", "no/report.json"), "no/report.json"),
        (("grade", PLAIN, "--output", ""), "it is a folder"),
        (("grade", PLAIN, "--html", "."), "it is a folder"),
        (("grade", PLAIN, "--junit", "/"), "it is a folder"),
        (("grade", PLAIN, "--junit", "no/junit.xml"), "there is no folder no"),
        (("try", PLAIN, "--output", "no/report.txt"), "there is no folder no"),
        (("check", "--output", "no/report.txt"), "there is no folder no"),
        (("replay", "report.json", PLAIN, "-o", "no/report.txt"), "there is no folder no"),
        (("calibrate", "--output", "."), "it is a folder"),
        (("check", "--plot", "x.pdf"), ".svg or .png"),
        (("calibrate", "--plot", "x.pdf"), ".svg or .png"),
        (("render", f"{PLAIN}/submission.py"), "plain/submission.py: this is not a report"),
    ],
)
def test_a_mistyped_command_exits_2_and_names_what_was_wrong(
    arguments: tuple[str, ...], said: str
) -> None:
    done = grader(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("grade", "mine.py", "--output", "./mine.py"),
        ("grade", "mine.py", "--html", "link.html"),
        ("grade", "link.html", "--junit", "mine.py"),
        ("try", "mine.py", "--output", "mine.py"),
        ("try", "mine.py", "--html", "mine.py"),
        ("replay", "report.json", "mine.py", "--output", "mine.py"),
    ],
)
def test_a_report_does_not_replace_the_submission(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("mine = (")
    Path("link.html").symlink_to("mine.py")
    done = grader(*arguments)
    assert (done.returncode, "is the submission; write the report to" in done.stderr) == (2, True)
    assert Path("mine.py").read_text() == "mine = ("


@pytest.mark.parametrize(
    "arguments",
    [
        ("render", "staff.json", "--view", "student", "--format", "json", "-o", "./staff.json"),
        ("render", "staff.json", "--platform", "gradescope", "-o", "link.json"),
        ("replay", "link.json", "mine.py", "--output", "staff.json"),
    ],
)
def test_a_report_does_not_replace_the_stored_one_that_it_is_made_of(
    arguments: tuple[str, ...],
    stored: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(stored["staff"], "staff.json")
    Path("link.json").symlink_to("staff.json")
    done = grader(*arguments)
    assert (done.returncode, "is the stored report; write the" in done.stderr) == (2, True)
    assert Path("staff.json").read_bytes() == stored["staff"].read_bytes()


def test_a_missing_wall_is_named_and_never_replaced(tmp_path: Path) -> None:
    done = grader("grade", PLAIN, "--sandbox", "bubblewrap", PATH=str(tmp_path))
    assert done.returncode == 3
    assert "apt-get install bubblewrap" in done.stderr
    assert "internal" in done.stdout or "grader failed" in done.stdout


def test_an_unreadable_file_is_judged_without_a_wall() -> None:
    done = grader("grade", str(FIXTURES / "hostile" / "syntax_error"), "--format", "json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["verdict"] == "invalid_submission"


def test_a_confined_run_says_so() -> None:
    done = grader("grade", PLAIN, "--cases", "24", "--sandbox", "confined", "--format", "json")
    assert done.returncode == 0
    report = msgspec.json.decode(done.stdout)
    assert report["confined_by"][0] == "confined"
    assert any("landlock" in layer for layer in report["confined_by"])
    assert any("seccomp" in layer for layer in report["confined_by"])


def test_progress_is_shown_on_a_terminal_and_only_there() -> None:
    master, slave = pty.openpty()
    environment = {**os.environ, "GRADER_CACHE": str(CACHE), "TERM": "xterm"}
    command = [sys.executable, "-m", "grader.cli", "grade", PLAIN, "--cases", "24"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=slave, env=environment
    ) as process:
        os.close(slave)
        shown = b""
        try:
            while part := os.read(master, 4096):
                shown += part
        except OSError:  # the terminal closes with the process
            pass
        assert process.wait() == 0
    os.close(master)
    assert b"/24" in shown


def test_a_cache_that_cannot_be_written_is_our_error_with_the_repair(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = grader("grade", PLAIN, GRADER_CACHE=str(blocked / "cache"))
    assert done.returncode == 3
    assert "GRADER_CACHE" in done.stderr


def test_a_bug_of_ours_exits_3_and_never_1(tmp_path: Path) -> None:
    code = """
import sys
from grader import cli, judge
def broken(*a, **k): raise ZeroDivisionError("bug")
judge.Judge._grade_in = broken
sys.argv = ["grader", "grade", sys.argv[1]]
cli.app()
"""
    command = [sys.executable, "-c", code, PLAIN]
    environment = {**os.environ, "GRADER_CACHE": str(CACHE)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 3
    assert "not your fault" in done.stdout


def test_exercises_are_listed() -> None:
    done = grader("exercises")
    assert done.returncode == 0
    assert "resnet_classifier" in done.stdout


@pytest.mark.parametrize("name", ["bubblewrap", "confined"])
def test_doctor_finds_every_promise_kept(name: str) -> None:
    done = grader("doctor", "--sandbox", name)
    assert done.returncode == 0, done.stdout
    assert "FAIL" not in done.stdout
    assert done.stdout.count("PASS") > 40


def test_doctor_of_a_missing_wall_fails_with_the_repair(tmp_path: Path) -> None:
    done = grader("doctor", "--sandbox", "bubblewrap", PATH=str(tmp_path))
    assert done.returncode == 1
    assert "FAIL" in done.stdout
    assert "apt-get install bubblewrap" in " ".join(done.stdout.split())


def test_a_file_that_cannot_be_read_needs_nothing_that_judges(tmp_path: Path) -> None:
    code = """
import sys
from grader import cli
try:
    cli.app()
except SystemExit as end:
    assert end.code == 1
    print("LOADED", *sys.modules)
"""
    broken = tmp_path / "submission.py"
    broken.write_text("def broken(:\n")
    command = [sys.executable, "-c", code, "grade", str(broken)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.partition("LOADED")[2].split())
    assert "grader.intake" in loaded
    heavy = {"asyncio", "sqlite3", "grader.judge", "grader.oracle", "grader.sandbox.choice"}
    assert loaded & {*heavy, "numpy", "grader.diagnosis", "xml.etree.ElementTree"} == set()


def test_judging_loads_no_jax_and_a_right_submission_no_hypothesis(
    exercise: Exercise, oracle: Oracle
) -> None:
    code = """
import sys
from grader import cli
sys.argv = ["grader", "grade", sys.argv[1], "--cases", "24", "--sandbox", "bubblewrap"]
try:
    cli.app()
except SystemExit as end:
    assert end.code == 0
    print("LOADED", *sys.modules)
"""
    pose(exercise, oracle, exercise.default_seed, 24)  # makes the suite, if nobody has
    command = [sys.executable, "-c", code, PLAIN]
    environment = {**os.environ, "GRADER_CACHE": str(CACHE)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    loaded = set(done.stdout.partition("LOADED")[2].split())
    assert "grader.judge" in loaded
    assert loaded & {"jax", "flax", "hypothesis", "docker"} == set()
