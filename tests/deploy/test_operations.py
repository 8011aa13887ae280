"""docs/operations.md names commands, settings, metrics and files that there are."""

import re
from pathlib import Path

import pytest
from conftest import ROOT
from described import DEPLOY, compose
from test_described import parsed

from grader.cli import app
from grader.service import migrations, settings
from grader.service.database import Database
from grader.service.metrics import Metrics

TEXT = (ROOT / "docs/operations.md").read_text()
COMMANDS = sorted(set(re.findall(r"(?:`|/|run --rm web |-- )(grader [a-z][^`\n#]*)", TEXT)))
WORKER = ["grader", "worker"]


def test_commands_are_found() -> None:
    assert {"grader migrate", "grader webhook rotate NAME"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_one_that_there_is(command: str) -> None:
    words = tuple(command.split())
    if len(words) == 2:  # named only: what it needs besides is left out
        assert words[1] in {one.name or one.callback.__name__ for one in app.registered_commands}
    else:
        parsed(words)


def test_every_setting_is_one_that_is_read() -> None:
    known = {settings.variable(name) for name in settings.Settings.__dataclass_fields__}
    named = {name.removesuffix("_FILE") for name in re.findall(r"GRADER_[A-Z_]+", TEXT)}
    # No settings of the service, which passes both on to the processes that judge.
    assert named - known == {"GRADER_CACHE", "GRADER_WORKER_IMAGE"}


def test_every_metric_is_there_and_every_one_is_told(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'grader.sqlite'}")
    migrations.upgrade(database)
    said = Metrics().text(database).decode()
    database.close()
    there = set(re.findall(r"^# TYPE (grader_\w+)", said, re.MULTILINE))
    there = {name for name in there if not name.endswith("_created")}
    told = set(re.findall(r"^\| `(grader_\w+)`", TEXT, re.MULTILINE))
    assert told == there


def test_an_upgrade_by_compose_stops_and_starts_the_workers_of_one_wall() -> None:
    services = compose()["services"]
    workers = {name for name, one in services.items() if one.get("command") == WORKER}
    assert f"docker compose stop {' '.join(sorted(workers))} && docker compose stop web &&" in TEXT
    profiles = {name: one["profiles"] for name, one in services.items() if "profiles" in one}
    assert profiles == {"worker-docker": ["docker"]}
    # Named in `.env`, no later command starts one wall's workers beside the other's.
    text = (DEPLOY / "compose.yaml").read_text()
    assert "    scale: ${CONFINED_WORKERS:-2}\n" in text
    for line in ("COMPOSE_PROFILES=docker", "CONFINED_WORKERS=0"):
        assert f"echo {line} >> .env" in TEXT
        assert f"#   {line}\n" in text


def test_every_file_is_there() -> None:
    named = set(re.findall(r"[\w./@-]+\.(?:yaml|service)\b", TEXT))
    files = {path.name for path in DEPLOY.rglob("*") if path.is_file()}
    assert {Path(name).name for name in named} == files - {"environment"}
    for path in re.findall(r"\b(?:tests|benchmarks)/[\w/]+\.py", TEXT):
        assert (ROOT / path).is_file(), path
    for path in re.findall(r"\]\(([\w./-]+)\)", TEXT):
        assert (ROOT / "docs" / path).is_file(), path
