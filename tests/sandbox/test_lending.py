"""A lent template forks workers like any other, for a process of its own, and ends with it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import numpy as np
import pytest
from conftest import CACHE, FIXTURES, KINDS, made, sandbox_called
from processes import descendants, is_alive, until

from grader.model import Deadlines, Sandbox
from grader.runtime import compile_cache
from grader.sandbox.bubblewrap import Bubblewrap
from grader.sandbox.choice import FORKING, Remarked, lend
from grader.sandbox.forking import FORKED, Forking
from grader.sandbox.lending import Lent, Loan
from grader.sandbox.setup import Setup
from grader.sandbox.worker.limits import Limits

FORKED_KINDS = [kind for kind in KINDS if kind[1] == "forked"]
RIGHT = (FIXTURES / "accepted" / "plain" / "submission.py").read_bytes()
ARGUMENTS = [3.0, np.ones((2, 3, 1), np.float32), 4.0]
SETUP = Setup(compile_cache(CACHE))

BORROWER = """
import json, sys, time
from pathlib import Path
from grader.model import Deadlines
from grader.sandbox.choice import FORKING
from grader.sandbox.forking import Forking
from grader.sandbox.lending import Loan
from grader.sandbox.setup import Setup
name, loan = json.loads(sys.argv[1])
forking = Forking(FORKING[name](Setup(None)), Setup(None), {"cold": Loan(*loan)})
with forking.open(Deadlines()) as worker:
    print(worker.parent_pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=FORKED_KINDS, ids="-".join)
def owner(request: pytest.FixtureRequest) -> Iterator[Forking]:
    """A sandbox whose template is lent."""
    sandbox_called(*request.param)  # skips, or fails, where it cannot work
    sandbox = made(request.param, SETUP)
    assert isinstance(sandbox, Forking)
    yield sandbox
    sandbox.close()


def lent(owner: Forking) -> Lent:
    return lend(Remarked(owner, ["a remark"]))["cold"]


def borrower(owner: Forking, loan: Loan) -> Forking:
    """Borrow in this process, as another would: with descriptors of its own."""
    mine = loan._replace(control=os.dup(loan.control), log=os.dup(loan.log))
    return Forking(FORKING[owner.name](SETUP), SETUP, {"cold": mine})


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_its_workers_have_every_layer_and_answer_alike(owner: Forking) -> None:
    loaned = lent(owner)
    borrowing = borrower(owner, loaned.loan)
    loaned.hand_over()
    said = []
    for sandbox in (owner, borrowing, borrowing):
        with sandbox.open(Deadlines()) as worker:
            assert FORKED in worker.confined_by
            worker.load(RIGHT, "resnet_classifier_forward")
            said.append((list(worker.confined_by), worker.call(ARGUMENTS, first=True).array))
    assert said[0][0] == said[1][0] == said[2][0]
    assert np.array_equal(said[0][1], said[1][1])
    assert np.array_equal(said[0][1], said[2][1])
    borrowing.close()
    loaned.close()


def test_its_workers_are_below_it_and_not_below_the_owners(owner: Forking) -> None:
    loaned = lent(owner)
    borrowing = borrower(owner, loaned.loan)
    with borrowing.open(Deadlines()) as worker, owner.open(Deadlines()) as other:
        assert worker.parent_pid != other.parent_pid
        (template,) = loaned.pids()
        assert len(descendants(template)) == 1
        worker.load(b"def f(*a): ...", "f")
        other.load(b"def f(*a): ...", "f")
    borrowing.close()
    loaned.close()


def test_it_holds_no_descriptor_of_the_owners_workers(owner: Forking) -> None:
    with owner.open(Deadlines()) as worker, closing(lent(owner)) as loaned:
        worker.load(b"def f(*a): ...", "f")
        (template,) = _seen(loaned)
        # Standard input is /dev/null, the log serves as both outputs, the socket is the control;
        # what it was forked with it closes first.
        wait_for(lambda: sorted(kinds_of_descriptors(template)) == ["/", "/", "/", "socket"])


def kinds_of_descriptors(pid: int) -> Iterator[str]:
    """Say of what a process has open whether it is a file ("/"), a socket, a pipe ..."""
    try:
        open_ones = os.listdir(f"/proc/{pid}/fd")
    except PermissionError:
        pytest.skip("only root looks into what is not dumpable")
    for number in open_ones:
        with suppress(FileNotFoundError):  # closed between two looks
            target = os.readlink(f"/proc/{pid}/fd/{number}")
            yield "/" if target.startswith("/") else target.partition(":")[0]


def _seen(loaned: Lent) -> list[int]:
    wait_for(lambda: len(loaned.pids()) == 1)
    return list(loaned.pids())


def test_the_borrowers_death_ends_its_template_and_workers_and_no_others(owner: Forking) -> None:
    loaned = lent(owner)
    told = json.dumps([owner.name, [*loaned.loan]])
    command = [sys.executable, "-c", BORROWER, told]
    ends = (loaned.loan.control, loaned.loan.log)
    with subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=ends) as process:
        loaned.hand_over()
        assert process.stdout is not None
        assert process.stdout.readline()
        family = [*_seen(loaned), *descendants(loaned.pids()[0])]
        assert len(family) == 2
        process.kill()
    wait_for(lambda: not any(map(is_alive, family)))
    with owner.open(Deadlines()) as worker:
        worker.load(b"def f(*a): ...", "f")
    loaned.close()


def test_a_borrower_whose_template_died_starts_one_of_its_own(owner: Forking) -> None:
    loaned = lent(owner)
    borrowing = borrower(owner, loaned.loan)
    with borrowing.open(Deadlines()) as worker:
        worker.load(b"def f(*a): ...", "f")
    loaned.close()
    with borrowing.open(Deadlines()) as worker:
        worker.load(b"def f(*a): ...", "f")
    borrowing.close()


def test_what_forks_nothing_lends_nothing() -> None:
    assert lend(Bubblewrap(SETUP)) == {}


def test_a_template_lends_to_more_than_a_worker_may_open(bubblewrap: Sandbox) -> None:
    sandbox = made(("bubblewrap", "forked"), SETUP)
    assert isinstance(sandbox, Forking)
    many = []
    try:
        many = [lent(sandbox) for _ in range(Limits().open_files)]  # two descriptors each
        until(lambda: all(one.pids() for one in many))
    finally:
        for one in many:
            one.close()
        sandbox.close()
