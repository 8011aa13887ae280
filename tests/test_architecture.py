"""Hold the imports against the plan: who may know whom, and what must stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

import reference

SERVICE = {"litestar", "uvicorn", "sqlalchemy", "alembic", "psycopg", "procrastinate", "httpx"}
SERVICE |= {"joserfc", "prometheus_client", "structlog"}
HEAVY = {"jax", "flax", "hypothesis", "typer", "rich", "docker", "matplotlib", "jinja2"} | SERVICE
LOADED_WHEN_ASKED = {
    "numpy",
    "msgspec",
    "reference",
    "grader.errors",
    "grader.model",
    "grader.text",
}
"""What a run of pytest that grades nothing must not pay for."""

JOINERS = (
    "grader.cli",
    "grader.doctor",
    "grader.pytest_plugin",
    "grader.service",
    "grader.platforms.child",
    "grader.batch.job",
    "grader.platforms.wheel",
)
"""The only rooms that join exercises, judge and walls."""

ALLOWED = {
    "grader.model": {"grader.model"},
    "grader.errors": {"grader.model"},
    "grader.text": set[str](),
    "grader.formulas": set[str](),
    "grader.inputs": {"grader.model"},
    "grader.environment": set[str](),
    "grader.descriptors": set[str](),
    "grader.standard_streams": set[str](),
    "grader.runtime": {"grader.environment"},
    "grader.checker": {"grader.model"},
    "grader.drawing": {"grader.errors", "grader.model", "grader.text"},
    "grader.cases": {"grader.drawing", "grader.errors", "grader.model"},
    "grader.shrinking": {"grader.drawing", "grader.model"},
    "grader.variants": {"grader.errors"},
    "grader.intake": {"grader.intake", "grader.model", "grader.errors", "grader.text"},
    "grader.structure": {"grader.structure", "grader.model", "grader.formulas", "grader.text"},
    "grader.report": {
        *("grader.report", "grader.model", "grader.errors"),
        *("grader.standard_streams", "grader.text"),
    },
    "grader.platforms": {
        *("grader.platforms", "grader.model", "grader.errors", "grader.report"),
        *("grader.standard_streams", "grader.text"),
    },
    "grader.platforms.child": {"grader.platforms", "grader.model", "grader.report", "reference"}
    | {"grader.errors", "grader.sandbox.kernel"},
    "grader.platforms.wheel": {"grader", "reference"},
    "grader.platforms.grading": {
        "grader.platforms",
        *("grader.bench", "grader.environment", "grader.errors", "grader.model", "grader.text"),
    },
    "grader.peer": {"grader", "grader.errors", "grader.peer", "grader.sandbox.kernel"},
    "grader.diagnosis": {
        "grader.diagnosis",
        *("grader.model", "grader.errors", "grader.text", "grader.checker", "grader.explain"),
        *("grader.structure", "grader.variants", "grader.oracle", "grader.trial", "grader.run"),
        "grader.questions",
    },
    "grader.batch": {
        "grader.batch",
        *("grader.model", "grader.errors", "grader.text", "grader.report", "grader.intake"),
        *("grader.descriptors", "grader.peer", "grader.sandbox"),
    },
    "grader.batch.job": {"grader", "reference"},
    "grader.apart": {"grader.errors", "grader.model", "grader.report", "grader.text"},
    "grader.xqueue": {
        "grader.xqueue",
        *("grader.apart", "grader.errors", "grader.platforms", "grader.text"),
    },
    "grader.sandbox.worker": {"grader.sandbox.worker"},
    "grader.oracle_process": {"grader.sandbox.worker", "grader.text"},
    "grader.reference_process": {
        *("grader.errors", "grader.model", "grader.runtime", "grader.sandbox.worker")
    },
    "grader.authoring.trusted_process": {"grader.sandbox.worker"},
    "reference": {
        "reference",
        *("grader.model", "grader.errors", "grader.formulas", "grader.inputs"),
    },
}
"""Room to the rooms of ours that it may import; longest prefix counts."""


def modules() -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    found = {}
    for package in ("grader", "reference"):
        for path in (ROOT / package).rglob("*.py"):
            if "fixtures" in path.parts:
                continue
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path) -> set[str]:
    """Dotted names that a module imports anywhere, relative ones resolved."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parts, *([base] if base else [])])
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(room + ".")


@pytest.mark.parametrize("name", sorted(modules()))
def test_module_imports_only_the_rooms_it_may(name: str) -> None:
    ours = {i for i in imports(name, modules()[name]) if i.split(".")[0] in ("grader", "reference")}
    if not any(within(name, joiner) for joiner in JOINERS):
        assert not {i for i in ours if within(i, "reference")} or within(name, "reference")
    rooms = [room for room in ALLOWED if within(name, room)]
    if rooms:
        allowed = ALLOWED[max(rooms, key=len)]
        assert {i for i in ours if not any(within(i, room) for room in allowed)} == set()


def test_worker_folder_imports_no_parent_and_nothing_else_of_ours() -> None:
    for name, path in modules().items():
        if within(name, "grader.sandbox.worker"):
            assert "from .." not in path.read_text()
            assert not any(i.startswith("reference") for i in imports(name, path))


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import grader", HEAVY | {"numpy"}),
        ("import reference; reference.load('resnet_classifier')", HEAVY | {"numpy"}),
        ("import grader.judge", HEAVY),
        ("import grader.bench", {*HEAVY, "grader.judge", "grader.sandbox.choice"}),
        ("import grader.intake", HEAVY),
        ("import grader.diagnosis", HEAVY),
        ("import grader.public", HEAVY),
        ("import grader.batch.run", HEAVY - {"rich"} | {"grader.judge", "rapidfuzz"}),
        ("import grader.report.views; import grader.report.junit", HEAVY),
        ("import grader.sandbox.choice", HEAVY),
        # A result must be ready when all else is broken: the standard library alone.
        (
            "import grader.platforms.supervisor as s; [s.find(name) for name in s.NAMES]",
            HEAVY | {"numpy", "msgspec", "grader.model"},
        ),
        ("import grader.pytest_plugin", {*HEAVY, *LOADED_WHEN_ASKED}),
        ("import grader.cli", SERVICE | {"jax", "flax", "hypothesis"}),
    ],
)
def test_import_stays_light(statement: str, forbidden: set[str]) -> None:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert forbidden & set(done.stdout.split()) == set()


def test_nothing_but_its_commands_imports_the_service() -> None:
    for name, path in modules().items():
        if not within(name, "grader.service") and name not in (
            "grader.cli.service",
            "grader.cli.lti",
        ):
            assert not [i for i in imports(name, path) if within(i, "grader.service")], name


def test_grader_names_no_exercise() -> None:
    for name, path in modules().items():
        if within(name, "grader"):
            text = path.read_text().lower()
            assert not [exercise for exercise in reference.names() if exercise in text], name
            assert "resnet" not in text, name
