"""Keep the worker that a preflight has started for whoever opens the first one."""

from contextlib import ExitStack
from threading import Lock
from typing import NamedTuple

from grader.errors import GraderError
from grader.model import Deadlines
from grader.sandbox.session import Session


class _Started(NamedTuple):
    session: Session
    context: ExitStack


class Waiting:
    """At most one worker, for any thread."""

    def __init__(self) -> None:
        self._started: _Started | None = None
        self._lock = Lock()

    def keep(self, session: Session, context: ExitStack) -> None:
        """Have this worker wait, and none other; closing the context ends it."""
        self._replace(_Started(session, context))

    def take(self, stack: ExitStack, deadlines: Deadlines) -> Session | None:
        """Return the worker that waits, now the stack's; None when there is none that lives."""
        with self._lock:
            started, self._started = self._started, None
        if started is None:
            return None
        stack.push(started.context)
        try:
            started.session.begin(deadlines)
        except GraderError:
            stack.close()
            return None
        return started.session

    def close(self) -> None:
        """End it."""
        self._replace(None)

    def _replace(self, started: _Started | None) -> None:
        with self._lock:
            before, self._started = self._started, started
        if before is not None:
            before.context.close()
