"""Run the grading image as each platform does: its user, mounts, variables and limits."""

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

from grader.platforms import find

IMAGE = os.environ.get("GRADER_GRADING_IMAGE", "nnx-grader-grading")
"""Another one than what `make images` builds, to try something out."""
LABEL = "org.nnx-grader.test=platforms"
_STOPPED_AFTER_S = 900
"""Ours, not a platform's: these tests measure nothing, and the machine may be busy."""


@dataclass(frozen=True)
class Model:
    """How a platform starts a container, as far as Docker can show it.

    Attributes:
        folders: host folder to where it is mounted; with ":ro" for read-only.
        command: with the entry point first.
    """

    name: str
    options: tuple[str, ...]
    folders: Mapping[str, str]
    command: tuple[str, ...]
    more: tuple[str, ...] = field(default=())


MODELS = {
    # Its defaults: 768 MB, half a processor. It runs as root.
    "gradescope": Model(
        "gradescope",
        ("--user=0", "--memory=768m", "--memory-swap=768m", "--cpus=0.5"),
        {
            "submission": "/autograder/submission",
            "source": "/autograder/source",
            "results": "/autograder/results",
        },
        ("/autograder/run_autograder",),
    ),
    # As its grader host does: the image's own user, a terminal, 0.9 processors.
    "prairielearn": Model(
        "prairielearn",
        (
            *("--tty", "--memory=2g", "--memory-swap=2g", "--cpu-period=100000"),
            *("--cpu-quota=90000", "--pids-limit=1024", "--ulimit=core=0", "--ipc=private"),
        ),
        {"grade": "/grade"},
        ("/usr/local/bin/grade-on", "prairielearn"),
    ),
    # A user of the platform's own, and none of the image's variables.
    "coursera": Model(
        "coursera",
        ("--user=4321", "--memory=4g", "--memory-swap=4g"),
        {"submission": "/shared/submission:ro", "shared": "/shared", "source": "/grader:ro"},
        ("/usr/bin/env", "-i", "partId=abc", "/usr/local/bin/grade-on", "coursera"),
    ),
    # Tango's autodriver: another user, few processes, `make` in the folder with the three files.
    "autolab": Model(
        "autolab",
        ("--user=4322", "--ulimit=nproc=100", "--memory=2g", "--workdir=/home/autolab"),
        {"work": "/home/autolab"},
        ("make",),
        ("--volume=/usr/bin/make:/usr/bin/make:ro",),  # Tango's images have one
    ),
}


@dataclass(frozen=True)
class Outcome:
    """What one run left behind.

    Attributes:
        result: the document, of Autolab what was printed.
        beside: other files in its folder.
    """

    code: int
    result: bytes
    beside: dict[str, bytes]
    log: str


@cache
def image() -> str:
    """Return the image's name; without it the test skips on a laptop and fails in CI."""
    try:
        done = docker("image", "inspect", IMAGE)
    except FileNotFoundError:
        _give_up("docker is not installed")
    if done.returncode:
        _give_up(f"there is no image {IMAGE}: {done.stderr.strip()[-200:]}")
    return IMAGE


def _give_up(problem: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(problem)
    pytest.skip(problem)


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the docker command."""
    return subprocess.run(
        ["docker", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=_STOPPED_AFTER_S,
        errors="replace",
    )


class Run:
    """One submission on one platform.

    Args:
        root: an empty folder for everything that is mounted.
        settings: text of grading.toml.
        broken: text that takes the place of the judge's own module: a bug of ours.
    """

    def __init__(
        self, model: Model, root: Path, source: Path | str, *, settings: str, broken: str = ""
    ) -> None:
        self.model, self._root = model, root
        for name in model.folders:
            (root / name).mkdir(mode=0o777)
            (root / name).chmod(0o777)
        text = source if isinstance(source, str) else source.read_text()
        _LAYOUTS[model.name](root, text, settings)
        self._broken = root / "broken.py" if broken else None
        if self._broken is not None:
            self._broken.write_text(broken)

    def options(self) -> list[str]:
        """Return the arguments of `docker run`, up to the image."""
        options = ["--network=none", f"--label={LABEL}", *self.model.options, *self.model.more]
        for name, place in self.model.folders.items():
            options.append(f"--volume={self._root / name}:{place}")
        if self._broken is not None:
            options.append(f"--volume={self._broken}:{_judge()}:ro")
        return options

    def finish(self, *more: str) -> Outcome:
        """Run to the end."""
        entry, *rest = self.model.command
        done = docker(
            "run", "--rm", *self.options(), *more, f"--entrypoint={entry}", image(), *rest
        )
        return self.outcome(done.returncode, done.stdout, done.stderr)

    def outcome(self, code: int, printed: str, log: str) -> Outcome:
        """Return what lies there now."""
        if self.model.name == "autolab":
            return Outcome(code, printed.encode(), {}, log)
        place = _RESULTS[self.model.name]
        path = self._root / place
        beside = {one.name: one.read_bytes() for one in path.parent.glob("*.txt")}
        assert not list(path.parent.glob(".*.partial"))
        return Outcome(code, path.read_bytes(), beside, printed + log)

    @contextmanager
    def started(self) -> Iterator[str]:
        """Start it in the background; yield the container's id; remove it afterwards."""
        entry, *rest = self.model.command
        done = docker("run", "--detach", *self.options(), f"--entrypoint={entry}", image(), *rest)
        assert done.returncode == 0, done.stderr
        container = done.stdout.strip()
        try:
            yield container
        finally:
            docker("rm", "--force", container)


_RESULTS = {
    "gradescope": "results/results.json",
    "prairielearn": "grade/results/results.json",
    "coursera": "shared/feedback.json",
}


@cache
def _judge() -> str:
    """Return the path of the judge's module inside the image."""
    code = "import grader.judge; print(grader.judge.__file__)"
    python = "/opt/nnx-grader/judge/bin/python3"
    done = docker("run", "--rm", "--network=none", f"--label={LABEL}", image(), python, "-c", code)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _for_gradescope(root: Path, source: str, settings: str) -> None:
    (root / "submission" / "submission.py").write_text(source)
    (root / "source" / "grading.toml").write_text(settings)


def _for_prairielearn(root: Path, source: str, settings: str) -> None:
    for name in ("data", "student", "tests"):
        (root / "grade" / name).mkdir()
    (root / "grade" / "data" / "data.json").write_text(json.dumps({"variant_seed": "1"}))
    (root / "grade" / "student" / "submission.py").write_text(source)
    (root / "grade" / "tests" / "grading.toml").write_text(settings)


def _for_coursera(root: Path, source: str, settings: str) -> None:
    (root / "shared" / "submission").mkdir()  # the mount point inside the other mount
    (root / "submission" / "submission.py").write_text(source)
    (root / "source" / "grading.toml").write_text(settings)


def _for_autolab(root: Path, source: str, settings: str) -> None:
    from grader.platforms.packages import TEMPLATES

    work = root / "work"
    makefile = (TEMPLATES / "autolab_Makefile").read_text().replace("$FILE", "submission.py")
    (work / "Makefile").write_text(makefile)
    (work / "submission.py").write_text(source)
    with tarfile.open(work / "autograde.tar", "w") as archive:
        entry = tarfile.TarInfo("autograde/grading.toml")
        entry.size = len(settings)
        archive.addfile(entry, io.BytesIO(settings.encode()))


_LAYOUTS = {
    "gradescope": _for_gradescope,
    "prairielearn": _for_prairielearn,
    "coursera": _for_coursera,
    "autolab": _for_autolab,
}


def problems(name: str, outcome: Outcome) -> list[str]:
    """Return what breaks the platform's rules in a result."""
    return find(name).validate(outcome.result, outcome.beside)
