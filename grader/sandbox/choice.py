"""Choose the wall: the best one that passes its preflight, or the one asked for; never a lesser."""

from collections.abc import Callable

from grader.errors import SandboxError, UsageError
from grader.model import Sandbox
from grader.sandbox.bubblewrap import Bubblewrap
from grader.sandbox.confined import Confined
from grader.sandbox.docker import Docker, DockerRunsc
from grader.sandbox.setup import Setup

LAUNCHERS: dict[str, Callable[[Setup], Sandbox]] = {
    DockerRunsc.name: DockerRunsc,
    Docker.name: Docker,
    Bubblewrap.name: Bubblewrap,
    Confined.name: Confined,
}
"""Best first."""


def choose(name: str, setup: Setup) -> Sandbox:
    """Return the launcher called name; "auto" takes the first whose preflight passes.

    Raises:
        UsageError: there is no launcher of this name.
        SandboxError: none of the launchers works here; the text says why, for each.
    """
    if name != "auto":
        if name not in LAUNCHERS:
            raise UsageError(
                f"no sandbox is called {name!r}; there are: auto, {', '.join(LAUNCHERS)}"
            )
        return LAUNCHERS[name](setup)
    problems = []
    for launcher in LAUNCHERS.values():
        sandbox = launcher(setup)
        problem = sandbox.problem()
        if problem is None:
            return sandbox
        problems.append(f"{sandbox.name}: {problem}")
    raise SandboxError("no sandbox works here. " + "; ".join(problems))
