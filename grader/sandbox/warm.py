"""Fork workers from a template that has compiled the usual programs; what they lack, others do.

A fork has the programs and none of the template's threads, on which XLA compiles: it can run what
is there and would wait for ever for anything more. Three things make that honest:

- settings under which a compiled program runs in the thread that calls it (grader.runtime), the
  same ones for every worker and the oracle;
- a fork that lacks a program says so and ends (worker/missing.py); one that computes nothing for
  a while, misses its deadline or is lost in any other way counts as having lacked one;
- then nothing that it answered counts: the judge asks a worker that was forked cold, from zero.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

from grader.errors import GraderError, MemoryLimitExceeded, Missed, SubmissionError
from grader.model import Deadlines, Sandbox
from grader.sandbox.channel import Channel
from grader.sandbox.connection import Deadline
from grader.sandbox.forking import Forking
from grader.sandbox.lending import Lent, Loan
from grader.sandbox.session import Session
from grader.sandbox.setup import Setup
from grader.sandbox.standing import Launcher, Standing
from grader.sandbox.told import Described
from grader.sandbox.worker import wire

WARM = "forked from a warm template"
"""The layer by which a report tells a worker that was forked after compiling."""
PATIENCE_S = 0.4
"""A fork that waits for a thread which does not exist computes nothing: the judge looks ten times a
second, and the kernel counts in ticks of 0.01 s. One that merely sleeps is asked again, no more."""
_TRIAL = b"import jax\ndef f():\n    return jax.numpy.zeros(()) + 0\n"
"""What every template has compiled: it started JAX's backend."""


class WarmSession(Session):
    """A session with a fork that cannot compile: whatever else goes wrong may be due to that."""

    def __init__(
        self,
        channel: Channel,
        layers: Sequence[str],
        deadlines: Deadlines,
        instead: Sandbox,
    ) -> None:
        self._instead = instead
        super().__init__(channel, layers, deadlines)
        self._connection.patience_s = PATIENCE_S

    def _exchange(self, request: wire.Message, deadline: Deadline) -> wire.Message:
        try:
            reply = super()._exchange(request, deadline)
        except SubmissionError as error:
            raise Missed(error.message, self._instead) from error
        if reply.kind == wire.MISSED or reply.nonce != request.nonce:
            raise Missed(f"it lacks {reply.text.decode(errors='replace')[:80]}", self._instead)
        return reply

    def _error(self, error: Described, *, loading: bool) -> SubmissionError:
        found = super()._error(error, loading=loading)
        if isinstance(found, MemoryLimitExceeded):  # a template's memory is larger than a worker's
            raise Missed(found.message, self._instead)
        return found


class WarmForking:
    """A sandbox that forks its workers after the usual was compiled.

    Attributes:
        cold: forks them before; Missed names it.

    Args:
        launcher: whose wall the templates stand behind.
        setup: its rehearsal says what is usual.
        loans: templates of another process, by kind.
    """

    def __init__(
        self, launcher: Launcher, setup: Setup, loans: Mapping[str, Loan] = MappingProxyType({})
    ) -> None:
        self.name = launcher.name
        self._setup = setup
        self.cold = Forking(launcher, setup, loans)
        self._standing = Standing(launcher, "warm", setup.rehearsal, loans.get("warm"))

    def problem(self) -> str | None:
        """Say why a warm fork does not compute here; None when it does."""
        try:
            with self.open(Deadlines()) as worker:
                worker.load(_TRIAL, "f")
                worker.call((), first=True)
                return None
        except GraderError as error:
            self._standing.close()
            return f"warm workers cannot be forked here ({error})"

    @contextmanager
    def open(self, deadlines: Deadlines) -> Iterator[Session]:
        """Fork a worker, whose methods may raise Missed; leaving the context kills it.

        Raises:
            SandboxError: it could not be forked, or could not lock itself down.
        """
        template = self._standing.get()
        pipes = template.fork(self._setup.limits())
        try:
            yield WarmSession(pipes, (*template.layers, WARM), deadlines, self.cold)
        finally:
            pipes.close()

    def lend(self) -> dict[str, Lent]:
        """Return both templates by their kinds, for another process.

        Raises:
            SandboxError: one does not start.
        """
        return {"warm": self._standing.lend(), **self.cold.lend()}

    def close(self) -> None:
        """End both templates."""
        self._standing.close()
        self.cold.close()
