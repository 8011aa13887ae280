"""A template forks workers that are as confined, and as much their own, as those started fresh."""

import os
import signal
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from conftest import CACHE, FIXTURES, KINDS, Kind, made, sandbox_called
from processes import is_alive, until, youngest

from grader.errors import RunError, SandboxError
from grader.model import Deadlines, Sandbox
from grader.runtime import compile_cache
from grader.sandbox.choice import choose
from grader.sandbox.confined import Confined
from grader.sandbox.forking import FORKED, Forking
from grader.sandbox.launch import Launch
from grader.sandbox.setup import Setup
from grader.sandbox.worker.probe import AT_ANOTHER

FORKED_KINDS = [kind for kind in KINDS if kind[1] == "forked"]
RIGHT = (FIXTURES / "accepted" / "plain" / "submission.py").read_bytes()
ARGUMENTS = [3.0, np.ones((2, 3, 1), np.float32), 4.0]


@pytest.fixture(params=FORKED_KINDS, ids="-".join)
def forking(request: pytest.FixtureRequest) -> Iterator[Forking]:
    """A sandbox with a template of its own."""
    sandbox_called(*request.param)  # skips, or fails, where it cannot work
    sandbox = made(request.param, Setup(compile_cache(CACHE)))
    assert isinstance(sandbox, Forking)
    yield sandbox
    sandbox.close()


def said(sandbox: Sandbox, source: bytes) -> str:
    """Return what a function f raises."""
    with sandbox.open(Deadlines()) as worker:
        worker.load(source, "f")
        with pytest.raises(RunError) as caught:
            worker.call(ARGUMENTS, first=True)
    return str(caught.value.evidence["said"])


@pytest.mark.parametrize("kind", FORKED_KINDS, ids="-".join)
def test_a_fork_has_every_layer_of_a_fresh_worker(kind: Kind) -> None:
    layers = []
    for start in ("fresh", "forked"):
        with sandbox_called(kind[0], start).open(Deadlines()) as worker:
            layers.append(list(worker.confined_by))
    assert FORKED in layers[1]
    layers[1].remove(FORKED)
    assert layers[0] == layers[1]


def test_what_one_worker_changes_the_next_does_not_see(forking: Forking) -> None:
    source = b"""
import gc, os, sys, jax, numpy, random
def f(*a):
    seen = [hasattr(jax, "mark"), "mark" in sys.modules, hasattr(numpy, "mark"), gc.isenabled()]
    jax.mark = numpy.mark = 1
    sys.modules["mark"] = sys
    raise RuntimeError(f"{seen} {random.random()} {numpy.random.random()} {sorted(os.environ)}")
"""
    first, second = said(forking, source), said(forking, source)
    assert first.startswith("[False, False, False, True] ")
    assert second.startswith("[False, False, False, True] ")
    drawn = [one.partition("] ")[2].split()[:2] for one in (first, second)]
    assert drawn[0][0] != drawn[1][0]
    assert drawn[0][1] != drawn[1][1]


def test_a_fork_holds_no_descriptor_but_its_own(forking: Forking) -> None:
    source = b"""
import os
def f(*a):
    found = []
    for number in range(256):
        try:
            found.append(f"{number}:{os.fstat(number).st_mode >> 12:o}")
        except OSError:
            pass
    raise RuntimeError(" ".join(found))
"""
    with forking.open(Deadlines()):  # its status socket must not be inherited by the next
        found = dict(word.split(":") for word in said(forking, source).split())
    assert {number: found[str(number)] for number in range(5)} == {
        0: "2", 1: "10", 2: "10", 3: "1", 4: "1"
    }  # fmt: skip
    assert "14" not in found.values(), "a socket"


@pytest.mark.parametrize("aim", ["parent_pid", "pid"], ids=["template", "sibling"])
def test_a_fork_cannot_touch_its_relatives(forking: Forking, aim: str) -> None:
    with forking.open(Deadlines()) as sibling, forking.open(Deadlines()) as worker:
        assert sibling.parent_pid == worker.parent_pid
        attempts = worker.probe("/nonexistent", getattr(sibling, aim))
    aimed = {one.name: one.outcome for one in attempts if one.name in AT_ANOTHER}
    assert aimed == dict.fromkeys(AT_ANOTHER, "refused")


def test_many_forks_of_one_template_at_once_answer_alike(forking: Forking) -> None:
    answers = []
    for _ in range(4):
        with forking.open(Deadlines()) as one, forking.open(Deadlines()) as other:
            for worker in (one, other):
                worker.load(RIGHT, "resnet_classifier_forward")
                answers.append(worker.call(ARGUMENTS, first=True).array)
    assert all(np.array_equal(answer, answers[0]) for answer in answers)  # type: ignore[arg-type]


def test_a_lost_template_is_our_fault_and_is_started_again(forking: Forking) -> None:
    with forking.open(Deadlines()) as worker:
        template, pid = youngest()
        os.kill(template, signal.SIGKILL)
        wait_for_end([pid])
        with pytest.raises(SandboxError, match="template"):
            worker.load(b"def f(): pass", "f")
    with forking.open(Deadlines()) as worker:
        worker.load(b"def f(): pass", "f")
        assert youngest()[0] != template


def test_closing_takes_the_template_and_its_workers_along(forking: Forking) -> None:
    with forking.open(Deadlines()):
        pids = youngest()
        forking.close()
        wait_for_end(pids)


class Broken(Confined):
    """A launcher whose templates end at once."""

    def launch(self, *, template: str = "") -> Launch:
        return Launch(["/bin/false"], {}) if template else super().launch()


def test_where_forking_fails_it_is_said_and_never_silent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("grader.sandbox.choice.FORKING", {"confined": Broken})
    setup = Setup(None)
    with pytest.raises(SandboxError, match="cannot be forked"):
        choose("confined", setup, workers="fork")
    sandbox = choose("confined", setup, workers="auto")
    assert "cannot be forked" in caplog.text
    with sandbox.open(Deadlines()) as worker:
        assert any("cannot be forked" in layer for layer in worker.confined_by)


def wait_for_end(pids: Sequence[int]) -> None:
    until(lambda: not any(map(is_alive, pids)))
