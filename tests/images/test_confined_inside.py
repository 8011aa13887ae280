"""The image `grading` grades as platforms run it: Docker's own seccomp profile, any user."""

import json
import subprocess
import tomllib
from functools import cache
from typing import Any

import pytest
from built import docker, image, run
from conftest import FIXTURES

USERS = ("0:0", "1000:0")
"""Root, the image's own, and the one whom the cache belongs to."""
STRANGER = "2345:2345"
"""A user that the image has never heard of: nothing may be written, expected values not read."""
HOSTILE = (
    *("fork", "forged_observation", "kill_everyone", "memory_private", "poison_compile_cache"),
    *("read_cached_answers", "read_parent_memory", "read_reference_by_path", "write_files"),
)
GRADED = (
    *("accepted/plain", "rejected/pool_height_only"),
    *(f"hostile/{name}" for name in HOSTILE),
)
SCRIPT = """
import json, subprocess
for path in %s:
    command = ["grader", "grade", "/fixtures/" + path, "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True)
    print(json.dumps([path, done.returncode, done.stdout, done.stderr]), flush=True)
"""


@cache
def graded(user: str, fixtures: tuple[str, ...] = GRADED) -> dict[str, dict[str, Any]]:
    """Grade fixtures in one container; return the reports by fixture."""
    options = ("--user", user, "--volume", f"{FIXTURES}:/fixtures:ro")
    said = run(image("grading"), "python3", "-", options=options, input=SCRIPT % (fixtures,))
    reports = {}
    for path, code, report, error in map(json.loads, said.splitlines()):
        assert code in (0, 1), f"{path}: exit code {code}: {error}"
        reports[path] = json.loads(report) | {"exit code": code}
    return reports


def profile() -> str:
    """Return what Docker puts around a container unless it is told otherwise."""
    return docker("info", "--format", "{{json .SecurityOptions}}").stdout


def test_dockers_own_profile_is_what_stands_around_the_container() -> None:
    image("grading")
    assert "name=seccomp" in profile()
    # Mode 2 is a filter. It refuses namespaces, so bubblewrap could not work here.
    said = run(image("grading"), "sh", "-c", "grep Seccomp: /proc/self/status; unshare -U true; id")
    assert "Seccomp:\t2" in said


@pytest.mark.parametrize("user", USERS)
def test_right_submission_gets_full_marks(user: str) -> None:
    report = graded(user)["accepted/plain"]
    assert (report["verdict"], report["score"], report["exit code"]) == ("accepted", 100, 0)
    assert report["confined_by"][0] == "confined"
    # Root lends the worker another uid; nobody else can.
    assert ("uid 65534" in report["confined_by"]) == user.startswith("0:")


@pytest.mark.parametrize("user", USERS)
def test_wrong_submission_is_named(user: str) -> None:
    report = graded(user)["rejected/pool_height_only"]
    assert (report["verdict"], report["exit code"]) == ("wrong_answer", 1)
    assert "height but not the width" in json.dumps(report["diagnosis"])


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("user", USERS)
def test_hostile_submission_is_contained(user: str, name: str) -> None:
    expected = tomllib.loads((FIXTURES / "hostile" / name / "expected.toml").read_text())
    report = graded(user)[f"hostile/{name}"]
    assert "ESCAPED" not in json.dumps(report)
    assert report["verdict"] in expected["verdict"]
    assert report["score"] <= expected["max_score"]


def test_a_user_that_the_image_does_not_know_may_grade_as_well() -> None:
    right, hostile = "accepted/plain", "hostile/read_cached_answers"
    reports = graded(STRANGER, (right, hostile))
    assert (reports[right]["verdict"], reports[right]["score"]) == ("accepted", 100)
    assert reports[hostile]["score"] == 0
    assert "ESCAPED" not in json.dumps(reports[hostile])


@pytest.mark.parametrize("user", [*USERS, STRANGER])
def test_doctor_finds_the_wall_whole(user: str) -> None:
    said = run(image("grading"), "grader", "doctor", "--sandbox", "confined", options=("-u", user))
    assert said.count("PASS") > 50
    assert "FAIL" not in said
    assert "CAUTION" not in said


@pytest.mark.parametrize(
    "options",
    [
        ("--read-only", "--tmpfs=/tmp"),
        ("--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=0:0"),
        ("--user=4321",),
        ("--memory=768m", "--memory-swap=768m", "--cpus=0.5"),
    ],
    ids=["read_only", "root_without_rights", "any_user_of_group_0", "small"],
)
def test_image_grades_where_less_is_given(options: tuple[str, ...]) -> None:
    mount = ("--volume", f"{FIXTURES}:/fixtures:ro")
    # Some platforms take away what the image sets, PATH included.
    command = ("env", "-i", "/usr/local/bin/grader", "grade", "/fixtures/accepted/plain")
    said = run(image("grading"), *command, options=(*options, *mount))
    assert "100 / 100" in said


def test_expected_values_and_programs_are_used_where_they_lie() -> None:
    """A grading of the default suite computes nothing anew: it would be kept."""
    script = """
cd /var/cache/nnx-grader
sums() { find . -type f -exec sha256sum {} + | sort; }
sums > /tmp/before
grader grade /fixtures/accepted/plain > /tmp/report; echo "exit code $?"
sums | diff /tmp/before - && echo unchanged
"""
    mount = ("--volume", f"{FIXTURES}:/fixtures:ro")
    said = run(image("grading"), "sh", options=mount, input=script)
    assert "exit code 0" in said
    assert said.endswith("unchanged\n")


def test_default_command_says_what_there_is() -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", "--network=none", image("grading")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Usage: grader" in done.stdout + done.stderr
