"""Bubblewrap starts wherever Python lies, and blames nothing that is not at fault."""

import ast
import os
from pathlib import Path

import numpy as np
import pytest
from conftest import sandbox_called
from processes import PATIENCE_S

from grader.errors import RunError
from grader.model import Deadlines
from grader.sandbox.bubblewrap import Bubblewrap
from grader.sandbox.packages import packages, system_libraries
from grader.sandbox.setup import Setup, standard_library

SITE = standard_library() / "site-packages"


@pytest.fixture
def inside_a_library_folder(monkeypatch: pytest.MonkeyPatch) -> str:
    """Have the standard library lie as Fedora's does, with one package there; return its name."""
    sandbox_called("bubblewrap")  # skips, or fails, where it cannot work
    folders = [path for path in SITE.glob("*") if (path / "__init__.py").exists()]
    if not folders:
        pytest.skip(f"nothing is installed in {SITE}")
    libraries = (*system_libraries(), str(standard_library().parent))
    monkeypatch.setattr("grader.sandbox.setup.system_libraries", lambda: libraries)
    here = {**packages(), folders[0].name: str(folders[0])}
    monkeypatch.setattr("grader.sandbox.setup.packages", lambda: here)
    return folders[0].name


def test_a_standard_library_inside_a_library_folder_is_shown_without_its_packages(
    inside_a_library_folder: str,
) -> None:
    wall = Bubblewrap(Setup(None))
    assert wall.problem() is None
    source = b"import os\ndef f(x): raise RuntimeError(os.listdir(%r))" % str(SITE)
    with wall.open(Deadlines(first_s=PATIENCE_S)) as worker:
        worker.load(source, "f")
        with pytest.raises(RunError) as caught:
            worker.call([np.float64(1)], first=True)
    shown = ast.literal_eval(str(caught.value.evidence["said"]))
    bound = {Path(path).name for path in packages().values() if Path(path).parent == SITE}
    assert set(shown) == bound | {inside_a_library_folder}


@pytest.mark.parametrize(
    ("said", "is_told"),
    [
        ("bwrap: setting up uid map: Permission denied", True),
        ("bwrap: No permissions to create new namespace", True),
        ("bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", True),
        ("bwrap: Unable to remount destination: Invalid argument", False),
    ],
)
def test_namespaces_are_blamed_only_where_bwrap_does(
    said: str, is_told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "bwrap"
    script.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    problem = str(Bubblewrap(Setup(None)).problem())
    assert said in problem
    assert ("user namespaces" in problem) is is_told
