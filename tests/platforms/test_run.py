"""A container's entry point leaves the right result, whatever happens to what judges."""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import CACHE, FIXTURES
from processes import children_of, command_of, descendants, is_alive, until

from grader.platforms import NAMES, find
from grader.platforms.order import below, order_for
from grader.platforms.platform import NOT_JUDGED
from grader.report.document import from_json

ACCEPTED = FIXTURES / "accepted" / "plain" / "submission.py"
WRONG = FIXTURES / "rejected" / "pool_max" / "submission.py"
WITH_A_FILE = [name for name in NAMES if find(name).places.result]

HANG = "time.sleep(600)"
CRASHES = {
    "import_error": "sys.modules['msgspec'] = None",
    "killed": "import os; os.kill(os.getpid(), 9)",
    "ends_silently": "import os; os._exit(0)",
    "half_a_line": "import os; os.write(int(sys.orig_argv[-2]), b'{ '); os._exit(0)",
    "closes_its_pipe": "import os, time; os.close(int(sys.orig_argv[-2])); time.sleep(600)",
    "says_nonsense": "import os; os.write(int(sys.orig_argv[-2]), b'[]\\n'); os._exit(0)",
    "prints_a_result": 'import os; print(\'{"scores": {"autograded": 100}}\'); os._exit(1)',
    "hangs": f"import time; {HANG}",
    "out_of_memory": "import resource as r; r.setrlimit(r.RLIMIT_AS, (60 << 20, 60 << 20))",
}
"""What happens to the process that judges, as code that it runs when it starts."""
BUDGETS_S = {"hangs": "1", "closes_its_pipe": "2"}
"""For those that end by it; one of them needs time to close its pipe."""


def break_child(folder: Path, code: str) -> dict[str, str]:
    """Return variables under which the process that judges, and no other, runs this code first."""
    lines = ["import sys", "if 'grader.platforms.child' in sys.orig_argv:", f"    {code}"]
    (folder / "sitecustomize.py").write_text("\n".join(lines) + "\n")
    return {"PYTHONPATH": str(folder)}


def command(name: str, root: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "grader", "run", "--platform", name, "--root", str(root), *more]


def run(name: str, root: Path, *more: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "GRADER_CACHE": str(CACHE), **variables}
    return subprocess.run(
        command(name, root, *more), capture_output=True, env=environment, cwd=root, check=False
    )


def submit(root: Path, name: str, source: Path | str) -> None:
    """Put a submission where the platform would."""
    place = root / find(name).places.submission.lstrip("/")
    text = source.read_text() if isinstance(source, Path) else source
    if place.suffix:
        place.write_text(text)
    else:
        place.mkdir(parents=True, exist_ok=True)
        (place / "submission.py").write_text(text)


def result(name: str, root: Path, done: subprocess.CompletedProcess[bytes]) -> bytes:
    """Return the result, held against the platform's rules."""
    platform = find(name)
    path = _result(name, root)
    data = path.read_bytes() if platform.places.result else done.stdout
    beside = {one.name: one.read_bytes() for one in path.parent.glob("*.txt")}
    if data:
        assert platform.validate(data, beside) == []
    assert not list(root.rglob("*.partial"))
    return data


@pytest.mark.parametrize("crash", CRASHES)
@pytest.mark.parametrize("name", NAMES)
def test_a_crash_of_ours_leaves_the_right_result(name: str, crash: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    submit(root, name, ACCEPTED)
    variables = break_child(tmp_path, CRASHES[crash])
    done = run(name, root, "--budget-s", BUDGETS_S.get(crash, "60"), **variables)
    expected = find(name).not_judged(find(name).circumstances())
    assert result(name, root, done) == (expected.document or b"")
    assert done.returncode == expected.exit_code
    assert b"internal error" in done.stderr
    assert b"Traceback" not in done.stdout


@pytest.mark.parametrize("name", WITH_A_FILE)
def test_the_result_is_there_before_anything_runs(name: str, tmp_path: Path) -> None:
    submit(tmp_path, name, ACCEPTED)
    with hanging(name, tmp_path) as process:
        path = Path(below(str(tmp_path), find(name).places.result))
        assert find(name).validate(path.read_bytes(), _beside(path)) == []
        process.terminate()
        process.wait(60)
        assert process.returncode == find(name).not_judged(find(name).circumstances()).exit_code
        assert find(name).validate(path.read_bytes(), _beside(path)) == []


def test_ending_the_supervisor_ends_what_it_started(tmp_path: Path) -> None:
    submit(tmp_path, "gradescope", ACCEPTED)
    with hanging("gradescope", tmp_path) as process:
        (child,) = children_of(process.pid)
        process.terminate()
        process.wait(60)
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("asking", ["SIGTERM", "SIGINT"])
def test_a_signal_while_the_child_starts_ends_both(asking: str, when: str, tmp_path: Path) -> None:
    submit(tmp_path, "gradescope", ACCEPTED)
    variables = break_child(tmp_path, CRASHES["hangs"])
    asks = f"os.kill(os.getpid(), signal.{asking})"
    lines = [
        "import os, signal, subprocess",
        "class Popen(subprocess.Popen):",
        "    def __init__(self, *given, **named):",
        f"        {asks if when == 'before' else ''}",
        "        super().__init__(*given, **named)",
        f"        print(self.pid, file=open({str(tmp_path / 'child')!r}, 'w'), flush=True)",
        f"        {asks if when == 'after' else ''}",
        "if 'grader.platforms.child' not in sys.orig_argv: subprocess.Popen = Popen",
    ]
    with (tmp_path / "sitecustomize.py").open("a") as file:
        file.write("\n".join(lines) + "\n")
    done = run("gradescope", tmp_path, **variables)
    assert b"it was told to end" in done.stderr
    assert done.returncode == 0, "Gradescope reads the result of an error of ours"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "child").read_text()), 0)
    result("gradescope", tmp_path, done)


def test_a_child_that_comes_after_its_supervisor_ends_at_once(tmp_path: Path) -> None:
    submit(tmp_path, "gradescope", ACCEPTED)
    order = order_for(find("gradescope"), str(tmp_path)).to_json()
    done = subprocess.run(
        [sys.executable, "-m", "grader.platforms.child", order, "1", "1", "inf"],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


def test_a_supervisor_that_is_killed_leaves_nobody_behind(tmp_path: Path) -> None:
    submit(tmp_path, "gradescope", "while True: pass\n")
    environment = {**os.environ, "GRADER_CACHE": str(CACHE), **break_child(tmp_path, UNHURRIED)}
    arguments = ("--sandbox", "bubblewrap", "--budget-s", "3600")
    with subprocess.Popen(
        command("gradescope", tmp_path, *arguments), env=environment, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until(lambda: any("bwrap " in command_of(pid) for pid in descendants(process.pid)))
            found = descendants(process.pid)
        finally:
            process.kill()
    assert len(found) > 1, "the process that judges, and the worker that it started"
    until(lambda: not any(map(is_alive, found)))


UNHURRIED = (
    "from grader.model import Deadlines; from grader.questions import Questions;"
    " Questions.deadlines = Deadlines(first_s=3600, total_s=3600)"
)
"""Code under which no submission runs out of time, however long we take to look at it."""


@contextmanager
def hanging(name: str, root: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a run whose process that judges has started, and never ends."""
    environment = {**os.environ, **break_child(root, CRASHES["hangs"])}
    with subprocess.Popen(
        command(name, root), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until(lambda: children_of(process.pid))
            yield process
        finally:
            process.kill()


def _beside(path: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in path.parent.glob("*.txt")}


def test_a_child_that_was_lost_is_tried_once_more(tmp_path: Path) -> None:
    submit(tmp_path, "gradescope", "def broken(:\n")
    mark = tmp_path / "seen"
    code = f"import os; os.path.exists({str(mark)!r}) or (open({str(mark)!r}, 'w'), os._exit(9))"
    done = run("gradescope", tmp_path, **break_child(tmp_path, code))
    found = json.loads(result("gradescope", tmp_path, done))
    assert mark.exists()
    assert "cannot be read as a submission" in found["output"]
    assert b"exit code 9" in done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_cannot_be_read_is_the_students_to_mend(name: str, tmp_path: Path) -> None:
    submit(tmp_path, name, "def broken(:\n")
    done = run(name, tmp_path, "--submission", str(_submitted(name, tmp_path)))
    assert done.returncode == 0, done.stderr
    data = result(name, tmp_path, done)
    if name == "prairielearn":
        assert json.loads(data)["gradable"] is False
    elif name == "autolab":
        assert json.loads(data.splitlines()[-1])["scores"] == {"autograded": 0.0}
    elif name == "gradescope":
        assert json.loads(data)["score"] == 0


def _submitted(name: str, root: Path) -> Path:
    place = root / find(name).places.submission.lstrip("/")
    return place if place.suffix else place / "submission.py"


@pytest.mark.parametrize("name", ["gradescope", "prairielearn", "coursera", "autolab"])
def test_a_missing_submission_or_a_bad_setting_is_ours(name: str, tmp_path: Path) -> None:
    done = run(name, tmp_path)
    assert b"cannot be opened" in done.stderr
    assert done.returncode == (0 if name == "gradescope" else NOT_JUDGED)
    result(name, tmp_path, done)
    submit(tmp_path, name, ACCEPTED)
    settings = tmp_path / (find(name).places.settings or "grading.toml").lstrip("/")
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text('exercise = "no_such_exercise"\n')
    done = run(name, tmp_path, "--settings", str(settings))
    assert b"no exercise is called 'no_such_exercise'" in done.stderr
    assert done.returncode == (0 if name == "gradescope" else NOT_JUDGED)
    result(name, tmp_path, done)


def test_who_reads_autolab_s_0_is_told_that_it_counts_until_it_is_regraded(tmp_path: Path) -> None:
    done = run("autolab", tmp_path)
    assert b"Autolab shows 0 until your instructor regrades this handin" in done.stderr
    assert b"it does not count" not in done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_named_file_that_is_missing_is_the_students_to_mend(name: str, tmp_path: Path) -> None:
    done = run(name, tmp_path, "--submission", str(tmp_path / "mine.py"))
    assert (done.returncode, b"internal error" in done.stderr) == (0, False), done.stderr
    data = result(name, tmp_path, done)
    data = base64.b64decode(data) if name == "github" else data
    assert b"There is no mine.py" in data + b"".join(_beside(_result(name, tmp_path)).values())
    if name == "json":
        assert json.loads(data)["score"] == 0
    typed_wrong = run(name, tmp_path, "--submission", str(tmp_path / "nowhere" / "mine.py"))
    assert b"cannot be opened" in typed_wrong.stderr


@pytest.mark.parametrize("relative", [True, False])
def test_a_link_that_leads_out_of_a_repository_is_not_followed(
    relative: bool, tmp_path: Path
) -> None:
    repository, beside = tmp_path / "repository", tmp_path / "actions"
    for folder in (repository / "mine", beside):
        folder.mkdir(parents=True)
        (folder / "submission.py").write_text("x = (\n")
    (repository / "hw").symlink_to(beside)
    (repository / "own").symlink_to("mine")
    verdicts = {}
    for name in ("hw", "own", "mine"):
        path = Path(name) / "submission.py"
        done = run("json", repository, "--submission", str(path if relative else repository / path))
        verdicts[name] = from_json(result("json", repository, done))
    said = {name: found.findings[0].message for name, found in verdicts.items()}
    assert "behind a link that leads out of the submission" in said["hw"]
    assert said["own"] == said["mine"] != said["hw"]


def _result(name: str, root: Path) -> Path:
    return Path(below(str(root), find(name).places.result) or root / "none")


@pytest.mark.parametrize("name", NAMES)
def test_settings_that_are_given_and_missing_are_ours(name: str, tmp_path: Path) -> None:
    submit(tmp_path, name, ACCEPTED)
    done = run(name, tmp_path, "--settings", str(tmp_path / "typed_wrong.toml"))
    assert b"--settings: there is no file" in done.stderr
    expected = find(name).not_judged(find(name).circumstances())
    assert result(name, tmp_path, done) == (expected.document or b"")
    assert done.returncode == expected.exit_code


def test_a_result_that_cannot_be_written_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "grade").mkdir()
    (tmp_path / "grade" / "results").write_text("in the way")
    submit(tmp_path, "prairielearn", "def broken(:\n")
    done = run("prairielearn", tmp_path)
    assert done.returncode == NOT_JUDGED
    assert b"cannot be written" in done.stderr


def test_gradescope_keeps_the_previous_score_when_we_crash(tmp_path: Path) -> None:
    submit(tmp_path, "gradescope", ACCEPTED)
    before = {"submission_time": "2026-03-01T10:00:00-08:00", "score": 77.5, "results": {}}
    metadata = {"created_at": "2026-03-02T10:00:00-08:00", "previous_submissions": [before]}
    (tmp_path / "autograder" / "submission_metadata.json").write_text(json.dumps(metadata))
    done = run("gradescope", tmp_path, **break_child(tmp_path, CRASHES["killed"]))
    found = json.loads(result("gradescope", tmp_path, done))
    assert (done.returncode, found["score"]) == (0, 77.5)
    settings = tmp_path / "autograder" / "source" / "grading.toml"
    settings.parent.mkdir()
    settings.write_text("[gradescope]\nsubmissions = 1\nhours = 48\n")
    found = json.loads(result("gradescope", tmp_path, run("gradescope", tmp_path)))
    assert found["score"] == 77.5
    assert "at most 1 submission is graded in 48 hours" in found["output"]


def test_a_kill_shows_no_score_that_is_held_back(tmp_path: Path) -> None:
    submit(tmp_path, "gradescope", ACCEPTED)
    before = {"submission_time": "2026-03-01T10:00:00-08:00", "score": 77.5, "results": {}}
    place = tmp_path / "autograder"
    (place / "submission_metadata.json").write_text(json.dumps({"previous_submissions": [before]}))
    (place / "source").mkdir()
    (place / "source" / "grading.toml").write_text("[gradescope]\nafter_published = ['values']\n")
    with hanging("gradescope", tmp_path) as process:
        process.kill()
    found = json.loads((place / "results" / "results.json").read_bytes())
    assert found["score"] == 77.5
    assert "77.5" not in found["output"]
    assert [test["visibility"] for test in found["tests"]] == ["after_published"]


@pytest.mark.parametrize("name", ["gradescope", "prairielearn"])
@pytest.mark.parametrize("log", ["/dev/full", ""])
def test_a_log_that_takes_no_more_changes_no_result(name: str, log: str, tmp_path: Path) -> None:
    submit(tmp_path, name, "def broken(:\n")
    to = f">{log}" if log else ">&-"
    arguments = ["bash", "-c", f'exec "$@" 2{to}', "bash", *command(name, tmp_path)]
    done = subprocess.run(
        arguments, env={**os.environ, "GRADER_CACHE": str(CACHE)}, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert b"cannot be read as a submission" in result(name, tmp_path, done)


@pytest.mark.parametrize(
    ("name", "to", "code"),
    [
        ("gradescope", ">&-", 0),
        ("autolab", ">&-", NOT_JUDGED),
        ("autolab", ">/dev/full", NOT_JUDGED),
    ],
)
def test_only_what_is_printed_needs_standard_output(
    name: str, to: str, code: int, tmp_path: Path
) -> None:
    submit(tmp_path, name, "def broken(:\n")
    arguments = ["bash", "-c", f'exec "$@" {to}', "bash", *command(name, tmp_path)]
    done = subprocess.run(arguments, stderr=subprocess.PIPE, cwd=tmp_path, check=False)
    assert done.returncode == code
    assert (b"the result cannot be written" in done.stderr) == bool(code)
    assert b"Traceback" not in done.stderr


def test_coursera_grades_each_part_by_its_exercise(tmp_path: Path) -> None:
    submit(tmp_path, "coursera", "def broken(:\n")
    settings = tmp_path / "grader" / "grading.toml"
    settings.parent.mkdir()
    settings.write_text('[coursera.parts]\nabc = "basic_block"\n')
    done = run("coursera", tmp_path, partId="abc")
    assert done.returncode == 0
    assert b"Basic" in result("coursera", tmp_path, done) + _beside_text(tmp_path)
    done = run("coursera", tmp_path, partId="other")
    assert done.returncode == NOT_JUDGED
    assert b"'other' is not among coursera.parts: abc" in done.stderr


def _beside_text(root: Path) -> bytes:
    return (root / "shared" / "txtFeedback.txt").read_bytes()


def test_modules_in_the_students_folder_are_never_imported(tmp_path: Path) -> None:
    for name in ("msgspec", "numpy", "reference", "sitecustomize", "grader", "json"):
        (tmp_path / f"{name}.py").write_text("open('ESCAPED', 'w')\nraise SystemExit(0)\n")
    (tmp_path / "grading.toml").write_text("exercise = './'\n")
    (tmp_path / "exercise.py").write_text("open('ESCAPED', 'w')\n")
    (tmp_path / "submission.py").write_text("def broken(:\n")
    entry = [str(Path(sys.executable).with_name("grader")), "run", "--platform", "github"]
    done = subprocess.run(entry, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert find("github").validate(done.stdout, {}) == []
    assert not (tmp_path / "ESCAPED").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("exercise = 3", "exercise must be a string"),
        ("excercise = 'a'", "excercise is no setting"),
        ("feedback = 'all'", "feedback must be one of full"),
        ("budget_s = -1", "within 0"),
        ("[gradescope]\npoints = '5'", "points must be a number"),
        ("[gradescope]\nleaderboard = 1", "leaderboard must be true or false"),
        ("[gradescope]\nafter_published = [1]", "must hold strings"),
        ("[gradescope]\nsubmission = 1", "there are points"),
        ("gradescope = 1", "must be a section"),
        ("= 1", "cannot be read"),
    ],
)
def test_a_bad_setting_is_named(text: str, said: str, tmp_path: Path) -> None:
    from grader.platforms.settings import read

    path = tmp_path / "grading.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        read(path, find("gradescope"))


def test_settings_hold_paths_from_their_own_folder(tmp_path: Path) -> None:
    from grader.platforms.settings import read

    path = tmp_path / "grading.toml"
    path.write_text("exercise = './block'\n[gradescope]\npoints = 20\n[autolab]\nproblem = 'x'\n")
    found = read(path, find("gradescope"))
    assert found.exercise == str(tmp_path / "block")
    assert found.options["points"] == 20
    assert found.options["leaderboard"] is False


def test_settings_that_notepad_saved_are_read(tmp_path: Path) -> None:
    from grader.platforms.settings import read

    path = tmp_path / "grading.toml"
    path.write_bytes(b"\xef\xbb\xbffeedback = 'score'\r\n[gradescope]\r\npoints = 20\r\n")
    found = read(path, find("gradescope"))
    assert (found.feedback, found.options["points"]) == ("score", 20)


def test_a_judge_that_is_terminated_is_replaced(tmp_path: Path) -> None:
    submit(tmp_path, "prairielearn", "def broken(:\n" + "# " + "x" * 1000)
    mark = tmp_path / "seen"
    code = f"import os, time; os.path.exists({str(mark)!r}) or (open({str(mark)!r}, 'w'), {HANG})"
    environment = {**os.environ, "GRADER_CACHE": str(CACHE), **break_child(tmp_path, code)}
    with subprocess.Popen(
        command("prairielearn", tmp_path, "--budget-s", "1200"),
        env=environment,
        stderr=subprocess.PIPE,
    ) as process:
        until(mark.exists)
        (child,) = children_of(process.pid)
        os.kill(child, signal.SIGTERM)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 0
    assert b"signal 15" in said
    found: Any = json.loads((tmp_path / "grade" / "results" / "results.json").read_bytes())
    assert found["gradable"] is False
    assert found["succeeded"] is True
