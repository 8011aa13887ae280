"""Choose the wall: the best one that passes its preflight, or the one asked for; never a lesser."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

from grader.errors import SandboxError, UsageError
from grader.model import Deadlines, Sandbox
from grader.sandbox.bubblewrap import Bubblewrap
from grader.sandbox.confined import Confined
from grader.sandbox.docker import Docker, DockerRunsc
from grader.sandbox.forking import Forking
from grader.sandbox.lending import Lent, Loan
from grader.sandbox.session import Session
from grader.sandbox.setup import Setup
from grader.sandbox.spares import Spares
from grader.sandbox.standing import Launcher
from grader.sandbox.warm import WarmForking

LAUNCHERS: dict[str, Callable[[Setup], Sandbox]] = {
    DockerRunsc.name: DockerRunsc,
    Docker.name: Docker,
    Bubblewrap.name: Bubblewrap,
    Confined.name: Confined,
}
"""Best first."""
FORKING: dict[str, Callable[[Setup], Launcher]] = {
    Bubblewrap.name: Bubblewrap,
    Confined.name: Confined,
}
"""Those behind whose walls a template can stand."""

_logger = logging.getLogger("grader")


def choose(
    name: str,
    setup: Setup,
    *,
    workers: str = "fresh",
    loans: Mapping[str, Loan] = MappingProxyType({}),
) -> Sandbox:
    """Return the launcher called name; "auto" takes the first whose preflight passes.

    What it returns wants to be closed: its preflight may have left a worker waiting.

    Args:
        workers: "fresh" starts each by itself; "cold" forks it from a template that is started
            once; "fork" from one that has compiled the setup's rehearsal, where there is one and
            that passes its preflight, else cold; "auto" as "fork", and starts each by itself where
            no fork passes. What was tried in vain is in a warning and among the report's layers.
            Containers do not fork: "auto" keeps the next one starting while one is used.
        loans: templates of another process of ours, see lend; they serve before any of our own.

    Raises:
        UsageError: there is no launcher of this name, or it cannot fork.
        SandboxError: none of the launchers works here; the text says why, for each.
    """
    sandbox = _launcher(name, setup)
    if workers == "fresh":
        return sandbox
    problems: list[str] = []
    for forking in _ways_to_fork(sandbox, setup, workers, loans):
        problem = forking.problem()
        if problem is None:
            return Remarked(forking, problems) if problems else forking
        problems.append(problem)
        _logger.warning("%s", problem)
    if workers != "auto":
        sandbox.close()
        raise SandboxError("; ".join(problems) or f"{sandbox.name} forks no workers")
    if sandbox.name not in FORKING:
        return Spares(sandbox)
    return Remarked(sandbox, problems)


def can_lend(sandbox: Sandbox) -> bool:
    """Return whether a sandbox has templates."""
    inner = sandbox.sandbox if isinstance(sandbox, Remarked) else sandbox
    return isinstance(inner, WarmForking | Forking)


def lend(sandbox: Sandbox) -> dict[str, Lent]:
    """Return the templates of a sandbox by their kinds, for another process's choose.

    Raises:
        SandboxError: one does not start.
    """
    if isinstance(sandbox, Remarked):
        return lend(sandbox.sandbox)
    return sandbox.lend() if isinstance(sandbox, WarmForking | Forking) else {}


def _ways_to_fork(
    sandbox: Sandbox, setup: Setup, workers: str, loans: Mapping[str, Loan]
) -> Iterator[Sandbox]:
    """Yield what can be tried, the fastest first."""
    if sandbox.name in FORKING:
        if setup.rehearsal and workers != "cold":
            yield WarmForking(FORKING[sandbox.name](setup), setup, loans)
        yield Forking(FORKING[sandbox.name](setup), setup, loans)


class Remarked:
    """A sandbox whose workers carry into the report why they are started no better way."""

    def __init__(self, sandbox: Sandbox, problems: Sequence[str]) -> None:
        self.name = sandbox.name
        self.sandbox, self._problems = sandbox, tuple(problems)
        self.problem, self.close = sandbox.problem, sandbox.close

    @contextmanager
    def open(self, deadlines: Deadlines) -> Iterator[Session]:
        """Start a worker; see Sandbox."""
        with self.sandbox.open(deadlines) as worker:
            assert isinstance(worker, Session)
            worker.confined_by = (*worker.confined_by, *self._problems)
            yield worker


def _launcher(name: str, setup: Setup) -> Sandbox:
    if name != "auto":
        if name not in LAUNCHERS:
            raise UsageError(
                f"no sandbox is called {name!r}; there are: auto, {', '.join(LAUNCHERS)}"
            )
        return LAUNCHERS[name](setup)
    problems: list[str] = []
    for launcher in LAUNCHERS.values():
        sandbox = launcher(setup)
        problem = sandbox.problem()
        if problem is None:
            return sandbox
        problems.append(f"{sandbox.name}: {problem}")
    raise SandboxError("no sandbox works here. " + "; ".join(problems))
