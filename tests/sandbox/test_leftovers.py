"""Nothing of a worker outlives its judge, however the judge ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, WORKER_IMAGE, kind_of, sandbox_called
from processes import descendants, is_alive, until

from grader.model import Deadlines, Sandbox
from grader.sandbox import leftovers
from grader.sandbox.daemon import connected
from grader.sandbox.leftovers import LABEL, is_left, owner, sweep

BUSY_JUDGE = """
import sys, time
import numpy as np
from grader.model import Deadlines
from grader.sandbox.choice import choose
from grader.sandbox.setup import Setup
with choose(sys.argv[1], Setup(None), workers=sys.argv[2]).open(Deadlines(first_s=100)) as worker:
    worker.load(b"def f(seed):\\n    while True: pass", "f")
    print("ready", flush=True)
    worker.call([np.float64(1)], first=True)
"""


def containers_of(pid: int, *, running: bool) -> list[str]:
    """Ids of the containers that a judge made, all or only those that run."""
    with connected() as client:
        found = client.api.containers(all=not running, filters={"label": LABEL})
    return [one["Id"] for one in found if one["Labels"][LABEL].split(":")[2] == str(pid)]


def traces(sandbox: Sandbox, pid: int) -> list[int] | list[str]:
    """What a judge has made: its processes, or its containers."""
    if sandbox.name.startswith("docker"):
        return containers_of(pid, running=False)
    return descendants(pid)


def test_nothing_is_left_behind(sandbox: Sandbox) -> None:
    with sandbox.open(Deadlines()):
        pass  # a template stays, and so may an oracle
    before = traces(sandbox, os.getpid())
    with sandbox.open(Deadlines()) as worker:
        worker.load(b"f = print", "f")
        assert len(traces(sandbox, os.getpid())) > len(before)
    assert traces(sandbox, os.getpid()) == before


def started(sandbox: Sandbox) -> str:
    """How choose() is told to start workers of this kind; containers with a spare ahead."""
    if sandbox.name.startswith("docker"):
        return "auto"
    return kind_of(sandbox)[1].removesuffix("ed")


@pytest.mark.usefixtures("images")
def test_a_judge_that_is_killed_takes_its_busy_worker_along(sandbox: Sandbox) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BUSY_JUDGE, sandbox.name, started(sandbox)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as judge:
        assert judge.stdout is not None
        assert judge.stdout.readline() == b"ready\n"
        time.sleep(0.5)  # now it is in its endless loop
        is_docker = sandbox.name.startswith("docker")
        below = descendants(judge.pid)
        while is_docker and len(containers_of(judge.pid, running=True)) < 2:
            time.sleep(0.1)  # until there is a spare as well
        assert is_docker or below
        judge.send_signal(signal.SIGKILL)

    def left() -> list[Any]:
        if is_docker:
            return containers_of(judge.pid, running=True)
        return [pid for pid in below if is_alive(pid)]

    until(lambda: not left())
    if is_docker:  # the container itself goes when the next judge starts
        with connected() as client:
            sweep(client)
        assert containers_of(judge.pid, running=False) == []


@contextmanager
def container_labelled(client: Any, image: str, label: str) -> Iterator[str]:
    made = client.containers.create(image, ["none"], network_mode="none", labels={LABEL: label})
    try:
        yield made.id
    finally:
        client.api.remove_container(made.id, force=True)


def test_what_a_live_judge_owns_is_not_swept() -> None:
    sandbox_called("docker")
    with connected() as client:
        image = client.images.get(WORKER_IMAGE).id
        with container_labelled(client, image, owner()) as mine:
            dead = client.containers.create(
                image, ["none"], network_mode="none", labels={LABEL: f"{owner()}0"}
            )

            def left() -> list[str]:  # other tests' judges may sweep at the same time
                sweep(client)
                return [one["Id"] for one in client.api.containers(all=True)]

            until(lambda: dead.id not in left())
            assert mine in left()


def test_only_what_nobody_comes_back_for_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now, here = time.time(), owner().rsplit(":", 2)[0]
    assert not is_left(owner(), "running", now)
    assert is_left(f"{here}:{os.getpid()}:1", "running", now), "the pid was given anew"
    assert is_left(f"{here}:{2**22 + 1}:1", "running", now), "no such process"
    assert not is_left("elsewhere:1:7:1", "running", now - 10**6)
    assert not is_left("elsewhere:1:7:1", "exited", now)
    assert is_left("elsewhere:1:7:1", "exited", now - 10**6)
    assert not is_left("somebody's", "exited", 0)
    monkeypatch.setattr(leftovers, "_here", lambda: "other:1")
    assert not is_left(f"{here}:{os.getpid()}:1", "running", now)


@pytest.mark.parametrize("answer", [None, PermissionError], ids=["ours", "anothers"])
def test_a_judge_that_proc_hides_is_not_taken_for_dead(
    answer: type[OSError] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As hidepid does, or ProtectProc= of systemd: others' processes have no entry there."""
    here, ended = owner().rsplit(":", 2)[0], subprocess.Popen(["true"])
    ended.wait()

    def hidden(path: Path, *_: Any, **__: Any) -> str:
        raise FileNotFoundError(str(path))

    def told(pid: int, _: int) -> None:
        if answer is not None:
            raise answer

    monkeypatch.setattr(leftovers, "_here", lambda: here)  # it reads /proc as well
    monkeypatch.setattr(Path, "read_text", hidden)
    assert is_left(f"{here}:{ended.pid}:1", "running", time.time()), "no such process"
    monkeypatch.setattr(os, "kill", told)
    assert not is_left(f"{here}:{os.getpid()}:1", "running", time.time())


def test_many_submissions_leave_nothing(sandbox: Sandbox) -> None:
    """500 in a row: benchmarks/soak.py."""
    with sandbox.open(Deadlines()):
        pass  # a template stays
    open_files = len(os.listdir("/proc/self/fd"))
    before = traces(sandbox, os.getpid())
    for number in range(4):
        with sandbox.open(Deadlines()) as worker:
            worker.load(b"import numpy\ndef f(x): return numpy.float32(x)", "f")
            assert worker.call([np.float64(number)], first=True).array == number
    assert traces(sandbox, os.getpid()) == before
    assert len(os.listdir("/proc/self/fd")) == open_files
