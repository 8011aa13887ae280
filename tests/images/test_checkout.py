"""The images build from a clean checkout, and nothing but what is named goes into a build."""

import io
import json
import os
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from built import configuration, docker, image
from conftest import ROOT

BUILT_FROM = ("Dockerfile", ".dockerignore", "grader", "reference", "requirements", "tools/images")
FILES = ("LICENSE", "pyproject.toml")


def git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a fresh clone of this commit holds."""
    image("worker")
    changed = git("status", "--porcelain", "--", *BUILT_FROM, *FILES)
    if changed.returncode or changed.stdout:
        why = changed.stderr.decode() or f"not committed: {changed.stdout.decode()}"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    # A clone: an archive's modes are not those of a checkout, and the build's cache looks at modes.
    cloned = git("clone", "--quiet", "--no-hardlinks", str(ROOT), str(tmp_path / "clone"))
    assert cloned.returncode == 0, cloned.stderr.decode()
    return tmp_path / "clone"


@pytest.mark.parametrize("target", ["worker", "grading", "service"])
def test_clean_checkout_builds_the_same_image(target: str, checkout: Path) -> None:
    """Built before from a checkout full of caches and virtual environments: all is in the cache."""
    built = configuration(target)
    labels = built["Config"]["Labels"]
    arguments = {
        "PYTHON_IMAGE": os.environ.get("PYTHON_IMAGE", ""),
        "VERSION": labels["org.opencontainers.image.version"],
        "REVISION": labels["org.opencontainers.image.revision"],
        "WORKER_DIGEST": labels["org.nnx-grader.worker-digest"],
    }
    if not arguments["PYTHON_IMAGE"]:
        del arguments["PYTHON_IMAGE"]
    options = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    flags = os.environ.get("BUILD_FLAGS", "").split()
    done = docker("build", "--quiet", *flags, *options, "--target", target, str(checkout))
    assert done.stdout.strip() == built["Id"]


@pytest.fixture
def tag() -> Iterator[str]:
    name = f"nnx-grader-test-{uuid.uuid4().hex[:12]}"
    yield name
    docker("image", "rm", "--force", name, check=False)


def test_only_what_is_named_goes_into_a_build(tmp_path: Path, tag: str) -> None:
    image("worker")
    named = {
        "pyproject.toml",
        "LICENSE",
        "grader/judge.py",
        "grader/sandbox/worker/boot.py",
        "reference/resnet_classifier/solution.py",
        "requirements/worker.lock",
        "tools/images/grader",
    }
    stray = {
        *(".env", ".git/config", ".netrc", ".cache/expected.sqlite", ".venv/bin/python"),
        *("grader/__pycache__/judge.pyc", "grader/sandbox/__pycache__/x.pyc", "id_rsa", "x.pyc"),
        *("fixtures/a/submission.py", "tests/test_x.py", "tools/lock.py", "docs/images.md"),
        *(
            "Dockerfile.local",
            "README.md",
            "nnx_grader.egg-info/PKG-INFO",
            "grader/x.egg-info/PKG-INFO",
        ),
    }
    for name in named | stray:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / ".dockerignore").write_bytes((ROOT / ".dockerignore").read_bytes())
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /context/\n")
    docker("build", "--quiet", "--tag", tag, str(tmp_path))
    container = docker("create", tag, "none").stdout.strip()
    try:
        export = subprocess.run(["docker", "export", container], capture_output=True, check=True)
    finally:
        docker("rm", container)
    with tarfile.open(fileobj=io.BytesIO(export.stdout)) as archive:
        inside = {one.name for one in archive if one.isfile()}
    prefix = "context/"
    assert {one.removeprefix(prefix) for one in inside if one.startswith(prefix)} == named


def test_every_stage_of_the_build_starts_from_the_base_that_was_asked_for() -> None:
    stages: dict[str, str] = {}
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("FROM "):
            _, source, _, name = line.split()
            known = {"${PYTHON_IMAGE}", "scratch", *stages}
            assert source in known, json.dumps(stages)
            stages[name] = source
    assert list(stages.values()).count("${PYTHON_IMAGE}") == 1
    assert {"worker", "grading", "service"} <= set(stages)
