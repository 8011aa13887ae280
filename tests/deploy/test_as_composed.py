"""The image runs as the compose file says: a database, a migration, the web side, one worker.

Containers are started by `docker run` with the compose file's own user, mounts, limits and
variables: Compose itself need not be here. PostgreSQL is this machine's, on loopback, and
containers use the host's network; so addresses and ports differ, and nothing else.
"""

import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from built import docker, image
from conftest import FIXTURES
from described import MANIFESTS, compose
from service import postgresql
from service.ports import free_port
from service.processes import answers
from service.senders import body, deliver
from sqlalchemy import select, text

from grader.service.database import Database
from grader.service.tables import DONE, Grading, Result, Submission
from grader.service.webhooks import sources

_GRADED_S = 240.0
_FLAGS = {
    "user": "--user",
    "pids_limit": "--pids-limit",
    "mem_limit": "--memory",
    "memswap_limit": "--memory-swap",
}
_EACH = {
    "tmpfs": "--tmpfs",
    "cap_drop": "--cap-drop",
    "security_opt": "--security-opt",
    "volumes": "--volume",
    "group_add": "--group-add",
}
_SOCKET = Path("/var/run/docker.sock")
_SWITCHES = {"init": "--init", "read_only": "--read-only"}
_OTHERWISE = {
    *("image", "command", "environment", "secrets"),  # given below
    *("pull_policy", "restart", "networks", "ports", "depends_on", "logging"),  # Compose's own
    *("stop_grace_period", "scale", "profiles"),
}


def options(service: dict[str, Any]) -> list[str]:
    """Return what `docker run` gets for a service of the compose file."""
    found = []
    for key, value in service.items():
        if key in _FLAGS:
            found += [_FLAGS[key], str(value)]
        elif key in _EACH:
            found += [word for one in value for word in (_EACH[key], one)]
        elif key in _SWITCHES:
            assert value is True
            found += [_SWITCHES[key]]
        else:
            assert key in _OTHERWISE, key
    return found


class Composed:
    """Containers of the compose file on this machine's network."""

    def __init__(self, secrets: Path) -> None:
        self._secrets, web, worker = secrets, free_port(), free_port()
        self.url, self.metrics_url = f"http://127.0.0.1:{web}", f"http://127.0.0.1:{worker}/metrics"
        self._changes = {
            "GRADER_HOST": "127.0.0.1",
            "GRADER_PORT": str(web),
            "GRADER_METRICS_PORT": str(worker),
        }
        self._started: list[str] = []

    def start(self, name: str, *more: str) -> str:
        """Start a service; return the container's name, or what it printed when it ended."""
        service = compose()["services"][name]
        if "group_add" in service:  # DOCKER_GID
            service["group_add"] = [str(_SOCKET.stat().st_gid)]
        words = ["run", "--network=host", *options(service), *more]
        for secret in service["secrets"]:
            words += ["--volume", f"{self._secrets / secret}:/run/secrets/{secret}:ro"]
        for key, value in (service["environment"] | self._changes).items():
            words += ["--env", f"{key}={value}"]
        container = f"nnx-grader-test-{name}-{uuid.uuid4().hex[:8]}"
        self._started.append(container)
        words += ["--name", container, image("service"), *service["command"]]
        said = docker(*words).stdout
        return container if "--detach" in more else said

    def end(self) -> None:
        docker("rm", "--force", "--volumes", *self._started, check=False)


@pytest.fixture
def server() -> Iterator[postgresql.PostgreSQL]:
    image("service")
    server, folder = postgresql.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def composed(tmp_path: Path, server: postgresql.PostgreSQL) -> Iterator[Composed]:
    secrets = {"database-url": server.url, "operator-token": "the operator's"}
    for name, value in secrets.items():
        (tmp_path / name).write_text(value)
        # The container's user is 1000 of group 0: whoever makes secrets as root gives them to it.
        (tmp_path / name).chmod(0o640 if os.geteuid() == 0 else 0o644)
    found = Composed(tmp_path)
    yield found
    found.end()


def test_submissions_are_graded_by_what_compose_starts(
    composed: Composed, server: postgresql.PostgreSQL
) -> None:
    image("worker")
    with pytest.raises(pytest.fail.Exception, match="grader migrate"):
        composed.start("web")  # nothing migrated: it says so and ends
    assert "revision" in composed.start("migrate")
    web = composed.start("web", "--detach")
    answers(composed.url)
    database = Database(server.url)
    secret = sources.add(database, "campus")
    source = (FIXTURES / "accepted" / "plain" / "submission.py").read_text()
    for name, wall in (("worker", "confined"), ("worker-docker", "docker")):
        with httpx.Client(base_url=composed.url, trust_env=False) as client:
            delivered = deliver(client, secret, body(source, user=name))
        assert delivered.status_code == 202
        assert keda_counts(database) == 1
        worker = composed.start(name, "--detach")
        wait_for_results(database, worker)
        assert graded(database, name) == (DONE, "accepted", wall)
        metrics = httpx.get(composed.metrics_url, trust_env=False).text
        assert 'grader_results_total{verdict="accepted"} 1.0' in metrics
        ends_by_itself(worker)
    metrics = httpx.get(f"{composed.url}/metrics", trust_env=False).text
    assert 'grader_waiting{lane="interactive"} 0.0' in metrics
    ends_by_itself(web)
    database.close()


def wait_for_results(database: Database, worker: str) -> None:
    end = time.monotonic() + _GRADED_S
    while keda_counts(database):
        assert time.monotonic() < end, docker("logs", worker).stderr[-3000:]
        time.sleep(0.5)


def ends_by_itself(container: str) -> None:
    """Hold a container to be well, and to end on SIGTERM."""
    assert docker("exec", container, "healthy", check=False).returncode == 0
    docker("stop", "--time=60", container)
    code = docker("inspect", "--format={{.State.ExitCode}}", container).stdout.strip()
    assert code in ("0", "143"), "it was killed: SIGTERM did not end it"


def keda_counts(database: Database) -> int:
    """Ask the database what KEDA asks it."""
    found = [o for path in MANIFESTS for o in yaml.safe_load_all(path.read_text())]
    (scaled,) = [one for one in found if one["kind"] == "ScaledObject"]
    (trigger,) = scaled["spec"]["triggers"]
    with database.reading() as session:
        count: int = session.execute(text(trigger["metadata"]["query"])).scalar_one()
    return count


def graded(database: Database, user: str) -> tuple[str, str, str]:
    """Return a user's state, verdict and the wall that stood around the submission."""
    with database.reading() as session:
        rows = select(Grading.state, Result.verdict, Result.report)
        rows = rows.join(Submission, Submission.id == Grading.submission_id)
        rows = rows.join(Result, Result.submission_id == Submission.id)
        state, verdict, report = session.execute(rows.where(Submission.user == user)).one()
    return state, verdict, json.loads(report)["confined_by"][0]
