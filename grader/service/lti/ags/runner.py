"""Run the outbox in a thread of its own, beside the web side or a worker."""

import asyncio
import threading
from contextlib import suppress

import httpx
import structlog

from grader.service.core import Service
from grader.service.lti import key_store, transport
from grader.service.lti.ags.gateway import Gateway
from grader.service.lti.ags.loop import STEP_S, Outbox
from grader.service.lti.ags.row import Timing
from grader.service.lti.ags.store import DatabaseStore
from grader.service.lti.service_token import ServiceTokens

_log = structlog.get_logger()


class Grades:
    """Sends grades until stopped; then waits for what is under way."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._thread = threading.Thread(target=self._run, name="grades", daemon=True)
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def start(self) -> None:
        """Start sending."""
        self._thread.start()
        self._ready.wait()

    def request_stop(self) -> None:
        """Begin no more steps."""
        if self._loop is not None and self._stop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._stop.set)

    def stop(self) -> None:
        """Stop; a step that does not end in time is found again by its lease."""
        self.request_stop()
        if self._thread.ident is not None:
            self._thread.join(STEP_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception:
            _log.exception("outbox_ended")
        finally:
            self._ready.set()

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        async with transport.client(self._service.settings.allow_networks) as client:
            await self._outbox(client).run(self._stop)

    def _outbox(self, client: httpx.AsyncClient) -> Outbox:
        database, settings = self._service.database, self._service.settings
        timing = Timing(settle_s=settings.lti_settle_s)
        tokens = ServiceTokens(client, lambda: key_store.signing(database))
        return Outbox(DatabaseStore(database, timing), Gateway(client, tokens))
