"""Run the web side, and in one process the workers with it, until SIGTERM."""

import fcntl
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from types import FrameType

import uvicorn
from anyio.to_thread import run_sync
from litestar import Litestar
from prometheus_client import start_http_server

from grader import descriptors
from grader.errors import UsageError
from grader.service import assembly
from grader.service.app import create_app
from grader.service.core import Service
from grader.service.log import configure
from grader.service.lti.ags.runner import Grades
from grader.service.settings import Settings
from grader.service.upkeep import Upkeep
from grader.service.webhooks.sender import Sender


def serve(settings: Settings, *, does_all: bool) -> None:
    """Serve until SIGTERM or Ctrl-C; then finish what is under way.

    Args:
        does_all: also grade and send results, in this process.

    Raises:
        UsageError: the settings do not fit, or another process has the embedded database.
    """
    if settings.is_embedded and not does_all:
        raise UsageError("--role web needs GRADER_DATABASE_URL: SQLite serves one process")
    configure()
    descriptors.allow_most()  # before the application, which shares them out
    with _alone(settings):
        service = assembly.open_service(settings)
        beside: list[assembly.Running] = []
        if does_all:
            service, grading = assembly.graded_here(service)
            beside = [grading, Sender(service), Grades(service), Upkeep(service)]
        app = create_app(service, lifespan=[_with(beside)])
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=30,
        )
        server = _Server(config, app.state.draining, beside)
        with suppress(KeyboardInterrupt):
            server.run()
        service.database.close()
        if not server.started:
            sys.exit(3)  # as uvicorn.run does


def work(settings: Settings) -> None:
    """Grade and send results until SIGTERM or Ctrl-C; then finish what is under way.

    Raises:
        UsageError: the settings are the embedded service's, which does this itself, or the port of
            the metrics is not free.
    """
    if settings.is_embedded:
        raise UsageError("a worker needs GRADER_DATABASE_URL; on SQLite, grader serve does it all")
    configure()
    service = assembly.open_service(settings)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    if settings.metrics_port:
        _serve_metrics(settings, service)  # before anything is open that would have to be closed
    service, grading = assembly.graded_here(service)
    beside = (grading, Sender(service), Grades(service), Upkeep(service))
    for one in beside:
        one.start()
    stopping.wait()
    stop(beside)
    service.database.close()


def stop(beside: Sequence[assembly.Running]) -> None:
    """Have all begin nothing more, then wait for each: no one's end holds up another's."""
    for one in beside:
        one.request_stop()
    for one in reversed(beside):
        one.stop()


def _serve_metrics(settings: Settings, service: Service) -> None:
    try:
        start_http_server(settings.metrics_port, settings.host, service.metrics.registry)
    except OSError as error:
        where = f"{settings.host}:{settings.metrics_port}"
        raise UsageError(f"GRADER_METRICS_PORT: {where}: {error.strerror}") from None


class _Server(uvicorn.Server):
    """A server that tells all else to end as soon as it is to end: it waits for the streams."""

    def __init__(
        self,
        config: uvicorn.Config,
        draining: threading.Event,
        beside: Sequence[assembly.Running],
    ) -> None:
        super().__init__(config)
        self._draining, self._beside = draining, beside

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal."""
        self._draining.set()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Have nothing more begun, and answer what was asked."""
        for one in self._beside:
            await run_sync(one.request_stop)
        await super().shutdown(sockets)


def _with(
    beside: list[assembly.Running],
) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    """Return what starts and stops these with the application."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        for one in beside:
            one.start()
        try:
            yield
        finally:
            await run_sync(stop, beside)

    return lifespan


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the data folder for this process: two pools would each take the same work."""
    if not settings.is_embedded:
        yield
        return
    try:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        opened = (settings.data / "lock").open("w")
    except OSError as error:
        raise assembly.no_folder(settings, error) from None
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"another process serves {settings.data} already") from None
        yield
