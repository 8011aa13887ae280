"""Keep the next worker starting while this one grades, behind whatever wall."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from threading import Lock
from types import TracebackType
from typing import NamedTuple

from grader.errors import GraderError
from grader.model import Deadlines, Sandbox
from grader.sandbox.session import Session


class _Spare(NamedTuple):
    session: Session
    context: ExitStack


class Spares:
    """A sandbox that starts workers before they are asked for; see grader.model.Sandbox.

    The source is the first message, so a spare serves any submission. Each serves one. Use it as a
    context, or close it, which closes the sandbox as well: until then its spares wait.

    Args:
        sandbox: starts the workers.
        count: how many wait at most. Each holds a worker's memory, about 200 MiB.
    """

    def __init__(self, sandbox: Sandbox, count: int = 1) -> None:
        self.name, self._sandbox, self._count = sandbox.name, sandbox, count
        # One thread, kept: the kernel ends a worker when the thread that started it ends.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="spares")
        self._waiting: deque[Future[_Spare]] = deque()
        self._lock = Lock()

    def problem(self) -> str | None:
        """Say why no worker can be started here; None when one can."""
        return self._sandbox.problem()

    @contextmanager
    def open(self, deadlines: Deadlines) -> Iterator[Session]:
        """Take the worker that waited longest, and start another one in its place.

        Raises:
            SandboxError: it did not start, nor did a fresh one.
        """
        spare = self._take(deadlines)
        try:
            yield spare.session
        finally:
            spare.context.close()

    def close(self) -> None:
        """End the spares; opening another worker starts them again."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
        for one in waiting:
            if not one.cancel():
                with suppress(GraderError):
                    one.result().context.close()
        self._starter.shutdown()
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="spares")
        self._sandbox.close()  # its preflight may have left a worker waiting

    def __enter__(self) -> "Spares":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _take(self, deadlines: Deadlines) -> _Spare:
        """Return a worker that is ready, the next one when it ended while it waited."""
        first, waited = self._next(deadlines)
        try:
            return _begun(first, deadlines)
        except GraderError:
            if not waited:
                raise
        return _begun(self._next(deadlines)[0], deadlines)

    def _next(self, deadlines: Deadlines) -> tuple[Future[_Spare], bool]:
        """Return the next worker and whether it was started ahead; have others started."""
        with self._lock:
            waited = bool(self._waiting)
            chosen = self._waiting.popleft() if waited else self._start(deadlines)
            while len(self._waiting) < self._count:
                self._waiting.append(self._start(deadlines))
        return chosen, waited

    def _start(self, deadlines: Deadlines) -> Future[_Spare]:
        def start() -> _Spare:
            with ExitStack() as stack:
                session = stack.enter_context(self._sandbox.open(deadlines))
                assert isinstance(session, Session)
                return _Spare(session, stack.pop_all())

        return self._starter.submit(start)


def _begun(starting: Future[_Spare], deadlines: Deadlines) -> _Spare:
    """Wait for a worker and start its time."""
    spare = starting.result()
    try:
        spare.session.begin(deadlines)
    except GraderError:
        spare.context.close()
        raise
    return spare
