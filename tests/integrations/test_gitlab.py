"""The GitLab template runs as its runner would, and reports what was graded and nothing else."""

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

TEMPLATE = ROOT / "integrations" / "gitlab" / "nnx-grader.gitlab-ci.yml"
HEAD, BODY = TEMPLATE.read_text().split("\n---\n")
INPUTS = yaml.safe_load(HEAD)["spec"]["inputs"]
BIN = Path(sys.executable).parent


def interpolated(**given: str) -> str:
    """Return the configuration as GitLab makes it of its inputs."""
    values = {name: one.get("default") for name, one in INPUTS.items()} | given
    assert set(values) == set(INPUTS)
    return re.sub(r"\$\[\[ inputs\.(\w+) \]\]", lambda match: values[match[1]], BODY)


def job(**given: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(interpolated(image="grading:1", **given))["nnx-grader"]
    return found


def run(repository: Path, path: str = f"{BIN}:{os.environ['PATH']}", **given: str) -> int:
    """Run the job's script as the runner's shell does."""
    found = job(**given)
    command = ["bash", "-eo", "pipefail", "-c", "\n".join(found["script"])]
    variables = {**os.environ, **found["variables"], "GRADER_CACHE": str(CACHE), "PATH": path}
    return subprocess.run(command, cwd=repository, env=variables, check=False).returncode


def test_the_template_follows_gitlab_s_schema(tmp_path: Path) -> None:
    path = tmp_path / ".gitlab-ci.yml"
    command = [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci"]
    command += ["--data-transform", "gitlab-ci", str(path)]
    path.write_text(interpolated(image="grading:1"))
    assert subprocess.run(command, check=False).returncode == 0
    path.write_text(interpolated(image="grading:1").replace("retry:", "retries:"))
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_every_input_is_used_and_only_the_image_must_be_given() -> None:
    used = set(re.findall(r"\$\[\[ inputs\.(\w+) \]\]", BODY))
    assert used == set(INPUTS)
    assert [name for name, one in INPUTS.items() if "default" not in one] == ["image"]


@pytest.mark.parametrize(
    ("fixture", "code", "failures"),
    [("accepted/plain", 0, 0), ("rejected/pool_height_only", 1, 4), ("hostile/syntax_error", 1, 1)],
)
def test_the_job_ends_as_the_submission_was_judged(
    fixture: str, code: int, failures: int, tmp_path: Path
) -> None:
    (tmp_path / "submission.py").write_bytes((FIXTURES / fixture / "submission.py").read_bytes())
    assert run(tmp_path) == code
    reports = job()["artifacts"]
    junit = (tmp_path / reports["reports"]["junit"]).read_bytes()
    assert find("junit").validate(junit, {}) == []
    assert junit.count(b"<failure") == failures
    (page,) = reports["paths"]
    assert b"<html" in (tmp_path / page).read_bytes()


def test_a_report_that_a_student_committed_is_never_taken(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "nnx-grader").symlink_to(elsewhere)
    (elsewhere / "junit.xml").write_text("<testsuites/>")
    stand_in = tmp_path / "bin" / "grader"
    stand_in.parent.mkdir()
    stand_in.write_text("#!/bin/sh\nexit 137\n")
    stand_in.chmod(0o755)
    assert run(tmp_path, f"{stand_in.parent}:{os.environ['PATH']}") == 137
    assert not (tmp_path / job()["artifacts"]["reports"]["junit"]).exists()


def test_a_link_to_a_solution_that_the_image_holds_is_not_followed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hw").symlink_to(FIXTURES / "accepted" / "plain")
    assert run(tmp_path, submission="hw/submission.py") == 2
    assert "hw/submission.py leads out of the repository" in capfd.readouterr().err
    assert not list((tmp_path / "nnx-grader").iterdir())


def test_an_error_of_ours_is_tried_again(tmp_path: Path) -> None:
    assert 3 in job()["retry"]["exit_codes"]
