"""Inside the built image, as each platform runs it: marks, walls, and errors of ours."""

import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from conftest import FIXTURES, ROOT
from containers import LABEL, MODELS, Outcome, Run, docker, image, problems

from grader.platforms.platform import NOT_JUDGED, SORRY

BANK = ROOT / "reference" / "basic_block" / "fixtures"
RIGHT = BANK / "accepted" / "plain" / "submission.py"
WRONG = BANK / "rejected" / "no_residual" / "submission.py"
# The budget is wider than the platform's: it is no stopwatch. benchmarks/platforms.py measures.
SMALL = 'exercise = "basic_block"\nbudget_s = 800\n'
LARGE = 'exercise = "resnet_classifier"\nbudget_s = 800\n'
SHORT = 'exercise = "basic_block"\nbudget_s = 15\n'

HOSTILE = {
    "gradescope": "memory_private",
    "prairielearn": "loop_in_call",
    "coursera": "write_files",
    "autolab": "printed_report",
}
"""One attack on each: memory beyond the container's, no end, the result file, the last line."""

CRASHES = {
    "gradescope": (SMALL, "raise ImportError('a bug of ours')", ()),
    "prairielearn": (
        SMALL,
        "held = [bytearray(1 << 20) for _ in range(1 << 12)]",
        ("--memory=96m", "--memory-swap=96m"),
    ),
    "coursera": (SHORT, "import time; time.sleep(3600)", ()),
    "autolab": (SMALL, "import os, signal; os.kill(os.getpid(), signal.SIGTERM)", ()),
}
"""Settings, what is wrong with the judge, and options: a failed import, out of memory, out of time,
ended by somebody."""


@pytest.fixture(autouse=True)
def built() -> None:
    image()


@pytest.fixture(scope="module", autouse=True)
def swept() -> None:
    """Remove what an interrupted run of these tests left behind."""
    try:
        left = docker("ps", "--all", "--quiet", f"--filter=label={LABEL}", "--filter=status=exited")
    except FileNotFoundError:
        return
    for container in left.stdout.split():
        docker("rm", "--force", container)


def share(name: str, outcome: Outcome) -> float:
    """Return the part of all points that a result gives."""
    if name == "autolab":
        return float(json.loads(outcome.result.splitlines()[-1])["scores"]["autograded"]) / 100
    found = json.loads(outcome.result)
    key = {"gradescope": "score", "prairielearn": "score", "coursera": "fractionalScore"}[name]
    return float(found[key]) / (100 if name == "gradescope" else 1)


@pytest.mark.parametrize("name", MODELS)
def test_a_right_submission_gets_full_marks(name: str, tmp_path: Path) -> None:
    # Whoever is not of group 0 cannot read what was computed ahead, and computes it anew.
    more = ("--user=4322:4322",) if name == "autolab" else ()
    outcome = Run(MODELS[name], tmp_path, RIGHT, settings=SMALL).finish(*more)
    assert (outcome.code, problems(name, outcome)) == (0, []), outcome.log
    assert share(name, outcome) == 1, outcome.log


@pytest.mark.parametrize("name", MODELS)
def test_a_wrong_submission_gets_a_part_and_is_told_why(name: str, tmp_path: Path) -> None:
    outcome = Run(MODELS[name], tmp_path, WRONG, settings=SMALL).finish()
    assert (outcome.code, problems(name, outcome)) == (0, []), outcome.log
    assert 0 < share(name, outcome) < 0.8, outcome.log
    told = outcome.result + b"".join(outcome.beside.values())
    assert b"Most likely" in told


@pytest.mark.parametrize("name", MODELS)
def test_a_hostile_submission_is_contained(name: str, tmp_path: Path) -> None:
    source = FIXTURES / "hostile" / HOSTILE[name] / "submission.py"
    outcome = Run(MODELS[name], tmp_path, source, settings=LARGE).finish()
    assert (outcome.code, problems(name, outcome)) == (0, []), outcome.log
    assert share(name, outcome) <= 0.3, outcome.log
    told = outcome.result.decode() + outcome.log
    assert "ESCAPED" not in told
    if name == "gradescope":  # the kernel took the worker, not the judge
        assert "used more memory than its container has" in told


@pytest.mark.parametrize("name", MODELS)
def test_an_error_of_ours_is_not_charged(name: str, tmp_path: Path) -> None:
    settings, broken, more = CRASHES[name]
    run = Run(MODELS[name], tmp_path, RIGHT, settings=settings, broken=broken)
    outcome = run.finish(*more)
    if name == "gradescope":
        assert outcome.code == 0
        assert SORRY in json.loads(outcome.result)["output"]
    elif name == "autolab":
        assert outcome.code == 2  # make's own, for a recipe that failed
        assert b"scores" not in outcome.result
    else:
        assert outcome.code == NOT_JUDGED
    if name != "autolab":
        assert problems(name, outcome) == []


def test_a_platform_that_kills_the_container_finds_a_result(tmp_path: Path) -> None:
    run = Run(
        MODELS["gradescope"],
        tmp_path,
        RIGHT,
        settings=SMALL,
        broken="import time; time.sleep(3600)",
    )
    result = tmp_path / "results" / "results.json"
    with run.started() as container:
        while not result.exists() and docker("top", container).returncode == 0:
            time.sleep(0.2)
        docker("kill", container)
        outcome = run.outcome(137, "", docker("logs", container).stderr)
    assert problems("gradescope", outcome) == [], outcome.log
    assert SORRY in json.loads(outcome.result)["output"]


def test_a_package_for_coursera_builds_and_grades_for_any_user(tmp_path: Path) -> None:
    settings = tmp_path / "grading.toml"
    settings.write_text(f'budget_s = 800\n[coursera.parts]\nabc = "{BANK.parent}"\n')
    package = tmp_path / "package.zip"
    command = [sys.executable, "-m", "grader", "package", "--platform", "coursera"]
    command += ["--settings", str(settings), "--image", image(), "-o", str(package)]
    subprocess.run(command, check=True, capture_output=True)
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path / "context")
    tag = "nnx-grader-test-coursera"
    base = ("build", "--network=none", f"--label={LABEL}", "--tag", tag)
    built = docker(*base, str(tmp_path / "context"))
    assert built.returncode == 0, built.stderr
    try:
        (tmp_path / "run").mkdir()
        model = MODELS["coursera"]
        run = Run(model, tmp_path / "run", RIGHT, settings="")
        options = [one for one in run.options() if "/grader" not in one and "--user" not in one]
        done = docker("run", "--rm", *options, "--user=4321:4321", "--env=partId=abc", tag)
        outcome = run.outcome(done.returncode, done.stdout, done.stderr)
        assert (outcome.code, problems("coursera", outcome)) == (0, []), outcome.log
        assert share("coursera", outcome) == 1, outcome.log
    finally:
        docker("image", "rm", "--force", tag)
