"""Send due notices: sources in parallel, one at a time to each, so that a slow one delays none."""

from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import structlog

from grader.service.core import Service
from grader.service.loops import Loop
from grader.service.webhooks import outbound

_AT_ONCE = 8
_LOOK_S = 1.0

_log = structlog.get_logger()


class Sender:
    """Looks for due notices once a second and sends them."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="notices")
        self._busy: dict[str, Future[None]] = {}
        self._loop = Loop("notices", _LOOK_S, self._look)

    def start(self) -> None:
        """Start looking."""
        self._loop.start()

    def request_stop(self) -> None:
        """Begin no more notices."""
        self._loop.request_stop()

    def stop(self) -> None:
        """Begin no more notices, and wait for those that are being sent."""
        self._loop.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _look(self) -> None:
        self._busy = {source: one for source, one in self._busy.items() if not one.done()}
        for source in outbound.sources_due(self._service):
            if source not in self._busy:
                self._busy[source] = self._pool.submit(partial(self._send, source))

    def _send(self, source: str) -> None:
        for notice in outbound.due(self._service, source):
            if self._loop.is_stopping:
                return
            try:
                said = outbound.send(self._service, notice)
            except Exception as error:  # the database is away: the lease runs out, and it is due
                _log.error("notice_failed", notice=notice, error=type(error).__name__)
                return
            _log.info("notice", notice=notice, source=source, outcome=said)
            if said == "later":
                return  # the others of a source that is down would fail as well
