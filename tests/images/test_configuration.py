"""How the images say what they are, whose they are, and whether they are well."""

import re
import time
from collections.abc import Callable, Iterator

import pytest
from built import TARGETS, configuration, docker, image, run
from processes import PATIENCE_S

import grader
from grader.sandbox.image import DIGEST_LABEL, worker_digest

USERS = {"worker": "65534:65534", "grading": "0:0", "service": "1000:0"}


@pytest.mark.parametrize("target", TARGETS)
def test_labels_say_what_the_image_is(target: str) -> None:
    labels = configuration(target)["Config"]["Labels"]
    prefix = "org.opencontainers.image."
    assert labels[prefix + "title"] == f"nnx-grader {target}"
    assert labels[prefix + "version"] == grader.__version__
    assert labels[prefix + "licenses"] == "Apache-2.0"
    assert labels[prefix + "description"]
    assert re.fullmatch(r"([0-9a-f]{40})?", labels[prefix + "revision"])
    assert labels[DIGEST_LABEL] == worker_digest()


@pytest.mark.parametrize("target", TARGETS)
def test_image_starts_as_root_only_where_platforms_need_it(target: str) -> None:
    assert configuration(target)["Config"]["User"] == USERS[target]


def test_worker_image_starts_the_worker_and_nothing_else() -> None:
    config = configuration("worker")["Config"]
    assert config["Entrypoint"] == ["python3", "-I", "-S", "-B", "/opt/nnx-grader/worker"]
    assert not config.get("ExposedPorts")
    assert not config.get("Volumes")


def test_only_what_lives_long_has_a_health_check() -> None:
    checks = {target: configuration(target)["Config"].get("Healthcheck") for target in TARGETS}
    assert checks["worker"]["Test"] == checks["grading"]["Test"] == ["NONE"]
    assert checks["service"]["Test"] == ["CMD", "healthy"]


@pytest.fixture
def container() -> Iterator[Callable[..., str]]:
    """Start containers of the image `service` in the background; return their names."""
    started: list[str] = []

    def start(*command: str) -> str:
        done = docker("run", "--detach", "--network=none", image("service"), *command)
        started.append(done.stdout.strip())
        return started[-1]

    yield start
    if started:
        docker("rm", "--force", "--volumes", *started)


def is_well(name: str, *, within_s: float = PATIENCE_S) -> bool:
    end = time.monotonic() + within_s
    while docker("exec", name, "healthy", check=False).returncode:
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True


def test_service_starts_and_is_well(container: Callable[..., str]) -> None:
    name = container()
    assert is_well(name), docker("logs", name).stderr
    docker("kill", "--signal=STOP", name)
    assert not is_well(name, within_s=0.0), "it hangs: nobody answers"


def test_health_of_what_serves_nobody_is_that_it_runs(container: Callable[..., str]) -> None:
    assert is_well(container("sleep", "600"), within_s=0.0)
    # Named as the web side is, but nobody listens.
    assert not is_well(container("sh", "-c", "sleep 600; exit", "serve"), within_s=0.0)


@pytest.mark.parametrize("target", ["grading", "service"])
def test_installed_packages_agree(target: str) -> None:
    python = "/opt/nnx-grader/judge/bin/python"
    said = run(image(target), "python3", "-m", "pip", "--python", python, "check")
    assert "No broken requirements found" in said
