"""The files are what Compose and systemd accept, by the published schema and by systemd itself."""

import json
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from described import UNITS, compose, unit

_INSTALLED = "/opt/nnx-grader/venv/bin/grader"


def compose_problems(document: dict[str, Any]) -> list[str]:
    """Hold a document against the schema of the Compose specification."""
    folder = resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    schema = json.loads((folder / "compose-spec.json").read_text())
    checker = jsonschema.validators.validator_for(schema)(schema)
    return [error.message for error in checker.iter_errors(document)]


def test_compose_file_follows_the_specification() -> None:
    assert compose_problems(compose()) == []


@pytest.mark.parametrize(
    ("key", "value"), [("restarts", "always"), ("read_only", []), ("cap_drop", "ALL")]
)
def test_the_specification_refuses(key: str, value: object) -> None:
    document = compose()
    document["services"]["web"][key] = value
    assert compose_problems(document)


def test_every_dependency_network_and_secret_is_declared() -> None:
    document = compose()
    for one in document["services"].values():
        assert set(one.get("depends_on", {})) <= set(document["services"])
        assert set(one["networks"]) <= set(document["networks"])
        assert set(one["secrets"]) <= set(document["secrets"])
        for name, value in one["environment"].items():
            if name.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in one["secrets"]


def verified(path: Path, folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Have systemd read a unit whose command is on this machine."""
    copy = folder / path.name
    copy.write_text(text.replace(_INSTALLED, sys.executable))
    command = ["systemd-analyze", "verify", "--man=no", str(copy)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine"
)


@needs_systemd
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_understands_the_unit(path: Path, tmp_path: Path) -> None:
    done = verified(path, tmp_path, path.read_text())
    said = [line for line in done.stderr.splitlines() if path.stem in line]  # not of other units
    assert (done.returncode, said) == (0, [])


@needs_systemd
def test_systemd_complains_of_what_it_does_not_know(tmp_path: Path) -> None:
    path = UNITS[0]
    done = verified(path, tmp_path, path.read_text().replace("UMask=", "Umask="))
    assert [line for line in done.stderr.splitlines() if path.stem in line and "Umask" in line]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units_keep_sigterm_for_the_service_and_secrets_to_it(path: Path) -> None:
    settings = unit(path)
    said = dict(settings)
    assert said["ExecStart"].startswith(f"{_INSTALLED} ")
    # With the default, systemd ends the judging processes as well: no grading could finish.
    assert said["Type"] == "oneshot" or said["KillMode"] == "mixed"
    given = {value.partition(":")[0] for name, value in settings if name == "LoadCredential"}
    wanted = {value.rpartition("%d/")[2] for _, value in settings if "_FILE=%d/" in value}
    assert given == wanted
    assert said["NoNewPrivileges"] == "yes"
    # systemd's own is 1,024: as many open pages and nobody can hand in.
    assert " serve" not in said["ExecStart"] or int(said["LimitNOFILE"]) > 10_000
    if "GRADER_SANDBOX=bubblewrap" in path.read_text():
        assert not {"RestrictNamespaces", "SystemCallFilter", "ProcSubset"} & set(said)
