"""What the images install is pinned, hashed, and what the project asks for."""

import re
import tomllib
from collections.abc import Iterator

import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = ("build", "worker", "grading", "service")
HOW = "run `make lock` and commit requirements/"
PYTHONS = ("3.11", "3.12")


def pinned(*names: str) -> Iterator[Requirement]:
    for name in names:
        text = (ROOT / "requirements" / f"{name}.lock").read_text()
        for line in re.findall(r"^([a-z0-9].*?)(?: \\)?$", text, re.MULTILINE):
            yield Requirement(line)


def versions(python: str, *names: str) -> dict[str, str]:
    """Return what is installed for a version of Python on Linux."""
    where = {
        **{"python_version": python, "python_full_version": f"{python}.0"},
        **{"sys_platform": "linux", "implementation_name": "cpython"},
        **{"platform_python_implementation": "CPython", "extra": ""},
    }
    found: dict[str, str] = {}
    for one in pinned(*names):
        if one.marker is None or one.marker.evaluate(where):
            assert one.name not in found, f"{one.name} is pinned twice"
            found[canonicalize_name(one.name)] = str(one.specifier).removeprefix("==")
    return found


def wanted() -> dict[str, list[str]]:
    """Return which requirements each lock must satisfy, with all locks before it."""
    file = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed, extras = file["project"]["dependencies"], file["project"]["optional-dependencies"]
    served = [item for name, items in extras.items() if name != "dev" for item in items]
    worker = [item for item in needed if Requirement(item).name in ("jax", "flax", "numpy")]
    return {
        "build": file["build-system"]["requires"],
        "worker": worker,
        "grading": needed,
        "service": [*needed, *served],
    }


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", LOCKS)
def test_lock_satisfies_what_the_project_declares(lock: str, python: str) -> None:
    before = ("build",) if lock == "build" else LOCKS[1 : LOCKS.index(lock) + 1]
    found = versions(python, *before)
    for text in wanted()[lock]:
        one = Requirement(text)
        name = canonicalize_name(one.name)
        assert name in found, f"{name} is not locked: {HOW}"
        assert one.specifier.contains(found[name]), f"{name} {found[name]} is not {text}: {HOW}"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_is_exact_and_hashed(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text()
    assert not re.search(r"https?://|--index|--find-links", text)
    blocks = re.split(r"\n(?=[a-z0-9])", text)[1:]
    assert blocks
    for block in blocks:
        first, *hashes = block.rstrip().split(" \\\n")
        assert re.fullmatch(r"[a-z0-9.-]+==[0-9][^ ]*( ; .+)?", first)
        assert hashes and all(re.fullmatch(r" +--hash=sha256:[0-9a-f]{64}", one) for one in hashes)


def test_worker_gets_neither_the_judges_packages_nor_a_servers() -> None:
    for python in PYTHONS:
        names = set(versions(python, "worker"))
        assert {"jax", "jaxlib", "flax", "numpy"} <= names
        assert not names & {"hypothesis", "msgspec", "typer", "docker", "litestar", "pytest"}
