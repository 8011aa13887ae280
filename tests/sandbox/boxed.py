"""Run code beside a copy of the worker's own modules, as somebody, inside something."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.sandbox.worker import landlock

SYSTEM_PYTHON = "/usr/bin/python3"
NOBODY = 65534
LIBRARIES = ["/usr/lib", "/lib", "/lib64", "/usr/lib64"]

PREAMBLE = """
import json, os, sys
sys.path.insert(0, {box!r})
from worker import limits, lockdown, probe
def lock(keep_fds=(), without=(), **limit):
    for step in without:
        setattr(lockdown, step, lambda *_, **__: "off")
    return lockdown.lock_down(
        keep_fds=keep_fds, readable={readable!r}, limits=limits.Limits(**limit)
    )
"""


WORKER = Path(landlock.__file__).parent
MODULES = ("syscalls", "seccomp", "landlock", "limits", "root", "lockdown", "probe")


@dataclass(frozen=True)
class Who:
    """How a process is started: its prefix and its uid."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    python: str = sys.executable


AS_IS = Who()
AS_NOBODY = Who(uid=NOBODY, python=SYSTEM_PYTHON)


def command(code: str, box: Path, who: Who = AS_IS) -> list[str]:
    """Return the command line that runs code after PREAMBLE."""
    readable = [str(box), *LIBRARIES]
    if who.python == sys.executable:
        readable += [sys.prefix, sys.base_prefix]
    preamble = PREAMBLE.format(box=str(box), readable=readable)
    return [*who.prefix, who.python, "-I", "-B", "-c", preamble + code]


def start(code: str, box: Path, who: Who = AS_IS, **options: Any) -> subprocess.Popen[str]:
    """Start code after PREAMBLE."""
    if who.uid is not None and os.getuid() == 0:
        options |= {"user": who.uid, "group": who.uid, "extra_groups": []}
    return subprocess.Popen(
        command(code, box, who), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd="/", env={"PATH": "/usr/bin:/bin", "JAX_PLATFORMS": "cpu"}, **options,
    )  # fmt: skip


def run(code: str, box: Path, who: Who = AS_IS, **options: Any) -> Any:
    """Run code after PREAMBLE and return the JSON that it prints last."""
    with start(code, box, who, **options) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err[-2000:]
    return json.loads(out.splitlines()[-1])


@contextmanager
def copied_worker() -> Iterator[Path]:
    """A copy of the worker's own modules that every uid may read, and nothing beside it."""
    folder = Path(tempfile.mkdtemp(prefix="wall-"))
    folder.chmod(0o755)
    (folder / "worker").mkdir(mode=0o755)
    (folder / "worker" / "__init__.py").write_text("")
    for name in MODULES:
        shutil.copyfile(WORKER / f"{name}.py", folder / "worker" / f"{name}.py")
    yield folder
    shutil.rmtree(folder)


@contextmanager
def readable_secret() -> Iterator[Path]:
    """A file that every uid could read: only the wall can refuse it."""
    folder = Path(tempfile.mkdtemp(prefix="secret-"))
    folder.chmod(0o755)
    path = folder / "expected.json"
    path.write_text("42")
    path.chmod(0o644)
    yield folder / "expected.json"
    shutil.rmtree(folder)
