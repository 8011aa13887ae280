"""Fork workers from a template that has imported the libraries, behind any wall of this machine."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from grader.errors import GraderError
from grader.model import Deadlines
from grader.sandbox.lending import Lent, Loan
from grader.sandbox.session import Session
from grader.sandbox.setup import Setup
from grader.sandbox.standing import Launcher, Standing

FORKED = "forked from a template"
"""The layer by which a report tells a forked worker."""


class Forking:
    """A sandbox that forks its workers before anything is compiled.

    Args:
        launcher: whose wall the template stands behind.
        loans: templates of another process, by kind.
    """

    def __init__(
        self, launcher: Launcher, setup: Setup, loans: Mapping[str, Loan] = MappingProxyType({})
    ) -> None:
        self.name = launcher.name
        self._launcher, self._setup = launcher, setup
        self._standing = Standing(launcher, "cold", loan=loans.get("cold"))

    def problem(self) -> str | None:
        """Say why no worker can be forked here; the template that was tried serves from then on."""
        problem = self._launcher.problem()
        if problem is not None:
            return problem
        try:
            with self.open(Deadlines()):
                return None
        except GraderError as error:
            told = self._standing.log()
            self.close()
            return f"workers cannot be forked here ({error}) {told}".rstrip()

    @contextmanager
    def open(self, deadlines: Deadlines) -> Iterator[Session]:
        """Fork a worker; leaving the context kills it.

        Raises:
            SandboxError: it could not be forked, or could not lock itself down.
        """
        template = self._standing.get()
        pipes = template.fork(self._setup.limits())
        try:
            yield Session(pipes, (*template.layers, FORKED), deadlines)
        finally:
            pipes.close()

    def lend(self) -> dict[str, Lent]:
        """Return a template by its kind, for another process.

        Raises:
            SandboxError: it does not start.
        """
        return {"cold": self._standing.lend()}

    def close(self) -> None:
        """End the template."""
        self._standing.close()
