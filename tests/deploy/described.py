"""Read what lies in deploy/: each process, its command, its variables, how long it may stop."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from conftest import ROOT

DEPLOY = ROOT / "deploy"
OURS = "nnx-grader-"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
_DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")


@dataclass(frozen=True)
class Process:
    """One process of ours as a file of deploy/ starts it.

    Attributes:
        where: file and name, for messages.
        command: begins with "grader".
        stop_s: seconds from SIGTERM to SIGKILL.
    """

    where: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    stop_s: float

    def __str__(self) -> str:
        return self.where


def compose() -> dict[str, Any]:
    """Return the compose file as Compose reads it where no variable is set."""
    found: dict[str, Any] = _filled_in(yaml.safe_load((DEPLOY / "compose.yaml").read_text()))
    assert "${" not in str(found), "a variable without a default"
    return found


def _filled_in(node: Any) -> Any:
    """Replace ${NAME:-default} by its default, in texts: so after YAML is read, as Compose does."""
    if isinstance(node, dict):
        return {key: _filled_in(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled_in(value) for value in node]
    return _DEFAULT.sub(r"\1", node) if isinstance(node, str) else node


def manifests() -> Iterator[dict[str, Any]]:
    """Return every object of the Kubernetes manifests."""
    for path in MANIFESTS:
        yield from yaml.safe_load_all(path.read_text())


def pods() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Return, by the name of what starts them, each pod's spec and its one container."""
    found = {}
    for one in manifests():
        if one["kind"] in ("Deployment", "Job"):
            spec = one["spec"]["template"]["spec"]
            (container,) = spec["containers"]
            found[one["metadata"]["name"]] = (spec, container)
    return found


def unit(path: Path) -> list[tuple[str, str]]:
    """Return a unit's settings in their order: a name may come several times."""
    lines = [line for line in path.read_text().splitlines() if re.match(r"\w+=", line)]
    return [(name, value) for name, _, value in (line.partition("=") for line in lines)]


def processes() -> list[Process]:
    """Return every process of ours in deploy/."""
    return [*_in_compose(), *_in_units(), *_in_pods()]


def _in_compose() -> Iterator[Process]:
    for name, one in compose()["services"].items():
        if one["image"].startswith(OURS):
            stop_s = float(one.get("stop_grace_period", "10s").removesuffix("s"))
            where = f"compose.yaml: {name}"
            yield Process(where, tuple(one["command"]), one["environment"], stop_s)


def _in_units() -> Iterator[Process]:
    for path in UNITS:
        settings = unit(path)
        command = dict(settings)["ExecStart"].split()
        pairs = [value.partition("=") for name, value in settings if name == "Environment"]
        stop_s = float(dict(settings).get("TimeoutStopSec", "90"))
        environment = {name: value for name, _, value in pairs}
        yield Process(path.name, (Path(command[0]).name, *command[1:]), environment, stop_s)


def _in_pods() -> Iterator[Process]:
    (shared,) = [one["data"] for one in manifests() if one["kind"] == "ConfigMap"]
    for name, (spec, container) in pods().items():
        own = {one["name"]: one["value"] for one in container.get("env", [])}
        stop_s = float(spec["terminationGracePeriodSeconds"])
        yield Process(f"kubernetes: {name}", tuple(container["command"]), shared | own, stop_s)
