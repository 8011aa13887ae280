"""What deploy/ names exists: settings, commands, images, ports and paths."""

import ipaddress
import re
from pathlib import Path

import pytest
import typer
import uvicorn
from conftest import ROOT
from described import DEPLOY, OURS, UNITS, Process, compose, manifests, pods, processes

from grader.cli import app
from grader.environment import cache_folder
from grader.errors import UsageError
from grader.sandbox.choice import LAUNCHERS
from grader.service import settings
from grader.service.routes import healthz, metrics, readyz

EVERY = pytest.mark.parametrize("process", processes(), ids=str)
_READ = {settings.variable(name) for name in settings.Settings.__dataclass_fields__}
_DOCKERFILE = (ROOT / "Dockerfile").read_text()


def unknown(process: Process) -> set[str]:
    """Return the variables of a process that nothing of ours reads."""
    names = {name.removesuffix("_FILE") for name in process.environment}
    serves = process.command[1:2] == ("serve",)
    return (
        names
        - _READ
        - {"GRADER_CACHE", "GRADER_WORKER_IMAGE"}
        - ({"FORWARDED_ALLOW_IPS"} if serves else set())
    )


def chosen(process: Process, folder: Path) -> settings.Settings:
    """Return the settings that a process would read, its secrets laid out in a folder."""
    environment = dict(process.environment)
    for name in [name for name in environment if name.endswith("_FILE")]:
        secret = folder / name
        secret.write_text("postgresql+psycopg://grader@db/grader" if "DATABASE" in name else "x")
        environment[name] = str(secret)
    return settings.read(environment)


def parsed(words: tuple[str, ...]) -> None:
    """Parse a command, "grader" first, as the command line would, and do nothing.

    Raises:
        KeyError: there is no such command; or typer's own error: no such option or choice.
    """
    command, rest = typer.main.get_command(app), list(words[1:])
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    command.make_context(words[-1], rest)


def test_every_way_to_deploy_has_a_web_side_a_worker_and_a_migration() -> None:
    for way in ("compose.yaml", "nnx-grader", "kubernetes"):
        ways = [one for one in processes() if one.where.startswith(way)]
        said = {one.command[1:] for one in ways}
        assert {("serve", "--role", "web"), ("worker",), ("migrate",)} <= said, way


@EVERY
def test_every_variable_is_one_that_is_read(process: Process) -> None:
    assert unknown(process) == set()


@EVERY
def test_every_value_is_understood(process: Process, tmp_path: Path) -> None:
    found = chosen(process, tmp_path)
    assert found.sandbox in {"auto", *LAUNCHERS}
    assert found.is_embedded == (process.where == "nnx-grader.service")


@EVERY
def test_what_compose_passes_on_is_the_programs_own_where_nothing_is_set(
    process: Process, tmp_path: Path
) -> None:
    told, own = chosen(process, tmp_path), settings.Settings()
    for name in re.findall(r"\$\{GRADER_(\w+):-", (DEPLOY / "compose.yaml").read_text()):
        if process.where.startswith("compose") and name not in ("SANDBOX", "WORKER_IMAGE"):
            assert getattr(told, name.lower()) == getattr(own, name.lower()), name


@EVERY
def test_every_command_is_one_that_there_is(process: Process) -> None:
    assert process.command[0] == "grader"
    parsed(process.command)


@EVERY
def test_what_grades_is_given_the_time_to_drain(process: Process, tmp_path: Path) -> None:
    grades = process.command[1:] in (("worker",), ("serve",))
    # The queue's thread has 30 s more; three loops have 10 s each.
    assert not grades or process.stop_s >= chosen(process, tmp_path).drain_s + 60


def test_these_checks_refuse(tmp_path: Path) -> None:
    wrong = Process("here", ("grader", "worker"), {"GRADER_SLOT": "1"}, 10)
    assert unknown(wrong) == {"GRADER_SLOT"}
    with pytest.raises(UsageError, match="GRADER_SLOTS"):
        chosen(Process("here", ("grader",), {"GRADER_SLOTS": "none"}, 10), tmp_path)
    for words in (
        ("grader", "work"),
        ("grader", "serve", "--role", "worker"),
        ("grader", "worker", "-n"),
    ):
        with pytest.raises(Exception, match=r"'work'|No such option|not one of|nvalid value"):
            parsed(words)


def test_the_cache_is_where_the_units_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADER_CACHE", "/var/cache/nnx-grader")
    assert cache_folder() == Path("/var/cache/nnx-grader")


@EVERY
def test_the_proxy_that_is_believed_is_of_a_private_network(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = process.environment.get("FORWARDED_ALLOW_IPS")
    behind_a_network = process.command[1:2] == ("serve",) and not process.where.endswith("service")
    assert (networks is not None) == behind_a_network
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", networks or "127.0.0.1")
    said = uvicorn.Config("grader").forwarded_allow_ips
    assert isinstance(said, str)
    # "*" would believe the first address of the header, which whoever asks writes.
    assert all(ipaddress.ip_network(one).is_private for one in said.split(","))


def images() -> list[str]:
    from_compose = [one["image"] for one in compose()["services"].values()]
    return from_compose + [container["image"] for _, container in pods().values()]


def test_every_image_of_ours_is_a_target_of_the_dockerfile() -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", _DOCKERFILE, re.MULTILINE))
    ours = {name for name in images() if name.startswith(OURS)}
    assert {name.removeprefix(OURS) for name in ours} <= targets
    assert set(images()) - ours == {"postgres:16"}


def test_no_file_names_a_registry_or_holds_a_secret() -> None:
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert not re.search(r"\b(docker\.io|ghcr\.io|quay\.io|gcr\.io|amazonaws)\b", text), (
                path
            )
            assert not re.search(r"whsec_|://\w+:\w", text), path
            assert "kind: Secret" not in text, f"{path}: secrets go by reference"


def test_the_operators_token_is_given_to_the_web_side_alone() -> None:
    """In a container of the wall `confined` submissions run beside whatever is mounted."""
    name, found = "GRADER_OPERATOR_TOKEN_FILE", processes()
    told = {one.where for one in found if name in one.environment}
    assert told == {one.where for one in found if one.command[1] == "serve"}
    given = {name for name, one in compose()["services"].items() if "operator" in str(one)}
    given |= {name for name, one in pods().items() if "operator" in str(one)}
    given |= {path.stem for path in UNITS if "operator" in path.read_text()}
    assert given == {"web", "nnx-grader-web", "nnx-grader"}


def test_ports_and_paths_are_those_of_the_web_side() -> None:
    port = int(re.findall(r"GRADER_PORT=(\d+)", _DOCKERFILE)[0])
    assert f"EXPOSE {port}\n" in _DOCKERFILE
    assert compose()["services"]["web"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    _, web = pods()["nnx-grader-web"]
    assert web["ports"] == [{"name": "http", "containerPort": port}]
    assert web["startupProbe"]["httpGet"] == {"path": only(healthz.paths), "port": "http"}
    assert web["livenessProbe"]["httpGet"] == {"path": only(healthz.paths), "port": "http"}
    assert web["readinessProbe"]["httpGet"] == {"path": only(readyz.paths), "port": "http"}
    (service,) = [one for one in manifests() if one["kind"] == "Service"]
    assert service["spec"]["ports"] == [{"name": "http", "port": 80, "targetPort": "http"}]


def test_a_workers_metrics_are_where_it_is_told_to_have_them() -> None:
    _, worker = pods()["nnx-grader-worker"]
    (port,) = [one["value"] for one in worker["env"] if one["name"] == "GRADER_METRICS_PORT"]
    assert worker["ports"] == [{"name": "metrics", "containerPort": int(port)}]
    assert worker["livenessProbe"]["httpGet"] == {"path": only(metrics.paths), "port": "metrics"}


def only(paths: set[str]) -> str:
    (path,) = paths
    return path
