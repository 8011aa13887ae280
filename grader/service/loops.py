"""Do a thing again and again beside everything else, until stopped."""

import threading
from collections.abc import Callable

import structlog

_log = structlog.get_logger()


class Loop:
    """A thread that calls `work` every so many seconds; an error is logged, and it goes on.

    Args:
        work: returns True when there is more to do at once.
    """

    def __init__(self, name: str, every_s: float, work: Callable[[], object]) -> None:
        self._every_s, self._work, self._name = every_s, work, name
        self._stopping, self._awake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Do the work now."""
        self._awake.set()

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stopping.is_set()

    def request_stop(self) -> None:
        """Begin no more work; return at once."""
        self._stopping.set()
        self._awake.set()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Stop after the work under way."""
        self.request_stop()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._awake.clear()
            more = False
            try:
                more = self._work() is True
            except Exception as error:
                _log.error("loop_failed", loop=self._name, error=type(error).__name__)
            if not more and not self.is_stopping:
                self._awake.wait(self._every_s)
