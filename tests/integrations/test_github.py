"""The GitHub action hands the reporter a result on every path, and obeys nobody but its inputs."""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import CACHE, FIXTURES, ROOT

from grader.platforms import find
from grader.platforms.github import Result, encode

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
INSTALL, GRADE = ACTION["runs"]["steps"]
SCRIPTS = ROOT / "integrations" / "github"
DEFAULTS = {name: given["default"] for name, given in ACTION["inputs"].items()}
BIN = Path(sys.executable).parent


class Runner:
    """A GitHub runner: a repository, a temporary folder, the files of outputs and summary."""

    def __init__(self, folder: Path) -> None:
        self.temporary, self.repository = folder / "temporary", folder / "repository"
        self.output, self.summary = folder / "output", folder / "summary"
        self.repository.mkdir()
        (self.temporary / "nnx-grader" / "bin").mkdir(parents=True)
        for name in ("grader", "python"):
            self.install(name, f'exec "{BIN / name}" "$@"')

    def install(self, name: str, script: str) -> None:
        path = self.temporary / "nnx-grader" / "bin" / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)

    def commit(self, fixture: str, name: str = "submission.py") -> None:
        data = (FIXTURES / fixture / "submission.py").read_bytes()
        (self.repository / name).write_bytes(data)

    def grade(self, **inputs: str) -> subprocess.CompletedProcess[str]:
        """Run the step as the runner does: its script, its env with the inputs put in."""
        given = {**DEFAULTS, **inputs}
        env = {
            name: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda m: given[m[1]], value)
            for name, value in GRADE["env"].items()
        }
        env |= {"RUNNER_TEMP": str(self.temporary), "GITHUB_ACTION_PATH": str(ROOT)}
        env |= {"GITHUB_OUTPUT": str(self.output), "GITHUB_STEP_SUMMARY": str(self.summary)}
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", GRADE["run"]]
        return subprocess.run(
            command,
            cwd=self.repository,
            env={**os.environ, "GRADER_CACHE": str(CACHE), **env},
            capture_output=True,
            text=True,
            check=False,
        )

    def result(self) -> dict[str, Any]:
        """Return what the reporter reads, held against its rules."""
        (line,) = self.output.read_text().splitlines()
        name, _, value = line.partition("=")
        assert name == "result"
        assert find("github").validate(value.encode(), {}) == []
        found: dict[str, Any] = json.loads(base64.b64decode(value))
        return found


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def points(result: dict[str, Any]) -> int:
    return sum(test["score"] for test in result["tests"])


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.github-actions", "action.yml"),
        ("vendor.github-workflows", "integrations/github/classroom.yml"),
    ],
)
def test_files_follow_github_s_schemas(schema: str, file: str, tmp_path: Path) -> None:
    command = [str(BIN / "check-jsonschema"), "--builtin-schema", schema]
    assert subprocess.run([*command, str(ROOT / file)], check=False).returncode == 0
    broken = tmp_path / "broken.yml"
    broken.write_text((ROOT / file).read_text() + "\nrums: 1\n")
    done = subprocess.run([*command, str(broken)], capture_output=True, check=False)
    assert done.returncode == 1


def test_the_action_uses_no_other_and_puts_no_input_into_a_script() -> None:
    for step in ACTION["runs"]["steps"]:
        assert "uses" not in step
        assert "${{" not in step["run"]
    assert INSTALL["run"] == '"$GITHUB_ACTION_PATH/integrations/github/install.sh"'
    for script in SCRIPTS.glob("*.sh"):
        assert os.access(script, os.X_OK)


def test_the_workflow_hands_the_action_s_output_to_the_reporter() -> None:
    workflow = yaml.safe_load((SCRIPTS / "classroom.yml").read_text())
    _, grade, report = workflow["jobs"]["run-autograding-tests"]["steps"]
    variable = f"{report['with']['runners'].upper()}_RESULTS"
    assert report["env"] == {variable: f"${{{{ steps.{grade['id']}.outputs.result }}}}"}
    assert set(grade["with"]) <= set(ACTION["inputs"])


def test_scripts_pass_shellcheck() -> None:
    command = [str(BIN / "shellcheck"), *map(str, SCRIPTS.glob("*.sh"))]
    subprocess.run(command, check=True)


def test_a_right_submission_gets_all_points(runner: Runner) -> None:
    runner.commit("accepted/plain")
    done = runner.grade()
    assert done.returncode == 0, done.stderr
    result = runner.result()
    assert (result["status"], points(result), result["max_score"]) == ("pass", 100, 100)


def test_a_wrong_submission_gets_some_whatever_else_the_student_committed(runner: Runner) -> None:
    runner.commit("rejected/pool_height_only", "mine.py")
    for name in ("json.py", "grader.py", "base64.py"):
        (runner.repository / name).write_text("raise SystemExit('the repository was imported')")
    (runner.repository / "grading.toml").write_text('exercise = "basic_block"\n')
    done = runner.grade(submission="mine.py", exercise="resnet_classifier")
    assert done.returncode == 0, done.stderr
    result = runner.result()
    assert (result["status"], points(result)) == ("fail", 29)
    assert "29 / 100 points" in done.stdout
    assert "expected the mean over height and width" in done.stdout
    assert done.stdout.count("Most likely: Pools over the height only") == 1
    assert all(line.startswith("    ") for line in runner.summary.read_text().splitlines() if line)


def test_settings_that_a_student_committed_are_not_read(runner: Runner) -> None:
    (runner.repository / "grading.toml").write_text('exercise = "basic_block"\n')
    runner.install("grader", 'printf "%s\\n" "$@" >&2; exit 3')
    said = runner.grade(submission="a b.py").stderr.splitlines()
    expected = ["run", "--platform", "github", "--submission", "a b.py", "--feedback", "full"]
    assert said[: len(expected) + 2] == [*expected, "--settings", "/dev/null"]


def test_an_error_of_ours_ends_the_job_with_a_result_that_charges_nobody(runner: Runner) -> None:
    runner.commit("accepted/plain")
    runner.install("grader", f'PATH=/nowhere exec "{BIN / "grader"}" "$@" --sandbox bubblewrap')
    done = runner.grade()
    assert done.returncode == 3
    result = runner.result()
    assert (result["status"], result["max_score"]) == ("error", 0)


@pytest.mark.parametrize(
    ("script", "code"), [("echo 'grader: no such wall' >&2; exit 2", 2), ("kill -9 $$", 137)]
)
def test_where_the_grader_says_nothing_there_is_no_result(
    script: str, code: int, runner: Runner
) -> None:
    runner.commit("accepted/plain")
    runner.install("grader", script)
    done = runner.grade()
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert not runner.output.exists() and not runner.summary.exists()
    first, last = done.stdout.splitlines()
    assert last == f"::{first.removeprefix('::stop-commands::')}::"


def test_what_a_student_wrote_gives_the_runner_no_orders(runner: Runner, tmp_path: Path) -> None:
    hostile = "::stop-commands::x ::error::owned \u202e $(id) `id` ${{ secrets.A }} </pre>"
    row = {"name": hostile, "status": "fail", "score": 0, "message": hostile, "test_code": ""}
    rows = [{**row, "filename": "", "line_no": 0, "duration": 0.0}]
    stored = tmp_path / "stored"
    stored.write_bytes(encode(Result(version=1, status="fail", max_score=1, tests=rows)))  # type: ignore[typeddict-item]
    runner.install("grader", f'cat "{stored}"')
    done = runner.grade()
    first, *between, last = done.stdout.splitlines()
    token = first.removeprefix("::stop-commands::")
    assert len(token) == 32
    assert last == f"::{token}::"
    assert any(hostile in line for line in between)
    assert runner.result()["tests"][0]["message"] == hostile
    assert "uid=" not in done.stdout
