"""Try, on this machine, every promise that the walls make."""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from grader.errors import GraderError, MemoryLimitExceeded, SubmissionError, TimeLimitExceeded
from grader.model import Deadlines, Sandbox
from grader.sandbox.choice import FORKING, LAUNCHERS
from grader.sandbox.confined import worker_user
from grader.sandbox.forking import Forking
from grader.sandbox.session import Session
from grader.sandbox.setup import Setup
from grader.sandbox.told import Attempt
from grader.sandbox.worker.lockdown import INSTEAD
from grader.sandbox.worker.probe import AT_ANOTHER

_STYLES = {"PASS": "green", "FAIL": "bold red", "CAUTION": "yellow"}
_LOOP = b"def loop():\n    while True: pass\nloop()\n"
_HOG = b"""
kept = []
def hog():
    while True: kept.append(bytearray(64 << 20))
hog()
"""


@dataclass(frozen=True)
class Check:
    """One line of the doctor's report; repair says what to do about it."""

    status: str
    text: str
    repair: str = ""


def examine(name: str, setup: Setup, console: Console) -> bool:
    """Try the walls and print what holds.

    Args:
        name: one launcher, or "auto" for all of them.

    Returns:
        Whether the launcher asked for, or the one that "auto" chooses, is complete.
    """
    names = list(LAUNCHERS) if name == "auto" else [name]
    verdicts: dict[str, bool] = {}
    for chosen in names:
        sandboxes = {chosen: LAUNCHERS[chosen](setup)}
        if chosen in FORKING:
            sandboxes[f"{chosen}, forked workers"] = Forking(FORKING[chosen](setup), setup)
        for title, sandbox in sandboxes.items():
            checks = _examine_one(sandbox)
            _show(title, checks, console)
            if sandbox.problem() is None:
                whole = all(check.status != "FAIL" for check in checks)
                verdicts[chosen] = whole and verdicts.get(chosen, True)
            sandbox.close()
    return next(iter(verdicts.values()), False)


def _show(title: str, checks: Sequence[Check], console: Console) -> None:
    console.print(f"[bold]{title}[/bold]")
    for check in checks:
        mark = f"[{_STYLES[check.status]}]{check.status:8}[/]"
        console.print(f"  {mark}{escape(check.text)}", highlight=False)
        if check.repair:
            console.print(f"          {escape(check.repair)}", highlight=False, style="italic")


def _examine_one(sandbox: Sandbox) -> list[Check]:
    problem = sandbox.problem()
    if problem is not None:
        return [Check("FAIL", "cannot be used here", problem)]
    try:
        return [
            *_cautions(sandbox),
            *_attempts(sandbox),
            *(_attempts_on_relatives(sandbox) if isinstance(sandbox, Forking) else ()),
            _stops(sandbox, "an endless loop is stopped", _LOOP, TimeLimitExceeded, 2.0),
            _stops(sandbox, "memory is limited", _HOG, MemoryLimitExceeded, 20.0),
        ]
    except GraderError as error:
        return [Check("FAIL", "the worker does not start", str(error))]


def _cautions(sandbox: Sandbox) -> list[Check]:
    """Name layers that would stand here if the machine were set up otherwise."""
    if sandbox.name != "confined" or os.getuid() != 0 or worker_user() is not None:
        return []
    text = "runs as root, without capabilities: uid 65534 cannot read this Python"
    return [Check("CAUTION", text, "install Python and this package where every user may read")]


def _attempts(sandbox: Sandbox) -> list[Check]:
    """Have a worker try everything that is promised to be refused."""
    with _secret() as secret, sandbox.open(Deadlines()) as worker:
        assert isinstance(worker, Session)
        instead = [layer for layer in worker.confined_by if INSTEAD in layer]
        attempts = worker.probe(str(secret), os.getpid())
    checks = [Check("CAUTION", layer, "the kernel that workers see lacks it") for layer in instead]
    return checks + _as_checks(attempts, is_supplied=bool(instead))


@contextmanager
def _secret() -> Iterator[Path]:
    """Make a file that plain permissions close to nobody: what refuses a worker is the wall."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        secret = Path(folder) / "secret"
        secret.write_text("a worker must not read this")
        secret.chmod(0o644)
        user = worker_user()
        if user is not None:
            # Only its owner could change its mode. A container's root may lack the right to chown.
            with suppress(PermissionError):
                os.chown(secret, user, user)
        yield secret


def _attempts_on_relatives(sandbox: Forking) -> list[Check]:
    """Have forks try to touch their template, and each other."""
    checks = []
    with sandbox.open(Deadlines()) as sibling:
        for relative, pid in (("the template", sibling.parent_pid), ("a sibling", sibling.pid)):
            with sandbox.open(Deadlines()) as worker:
                attempts = worker.probe("/nonexistent", pid)
            aimed = [one for one in attempts if one.name in AT_ANOTHER]
            checks += _as_checks(aimed, f" on {relative}")
    return checks


def _as_checks(
    attempts: Sequence[Attempt], aim: str = "", *, is_supplied: bool = False
) -> list[Check]:
    checks = []
    for attempt in attempts:
        refused = attempt.outcome == "refused"
        text = f"{attempt.promise}: {attempt.name}{aim} {attempt.outcome} ({attempt.detail})"
        if not refused and attempt.name == "memory_over_limit" and is_supplied:
            # It only reserves; that memory in use is limited is tried below, to the end.
            checks.append(Check("CAUTION", text, "used up it is limited: see below"))
            continue
        repair = "" if refused else "a hole in the wall: please report it"
        checks.append(Check("PASS" if refused else "FAIL", text, repair))
    return checks


def _stops(
    sandbox: Sandbox, promise: str, source: bytes, wanted: type[SubmissionError], seconds: float
) -> Check:
    """Run a source that never ends by itself and see that it is stopped in time."""
    start = time.monotonic()
    with sandbox.open(Deadlines(first_s=seconds)) as worker:
        try:
            worker.load(source, "loop")
        except wanted as error:
            return Check("PASS", f"{promise}: {error.message}")
        except SubmissionError as error:
            return Check("FAIL", f"{promise}: ended otherwise: {error.message}")
    return Check("FAIL", f"{promise}: it ran {time.monotonic() - start:.0f} s to its end")
