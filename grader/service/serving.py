"""Run the web side, and in one process the workers with it, until SIGTERM."""

import fcntl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Protocol

import uvicorn
from anyio.to_thread import run_sync
from litestar import Litestar

from grader.errors import UsageError
from grader.service import assembly
from grader.service.app import create_app
from grader.service.core import Service
from grader.service.log import configure
from grader.service.pool import Pool
from grader.service.settings import Settings
from grader.service.upkeep import Upkeep
from grader.service.webhooks.sender import Sender


class Running(Protocol):
    """What runs beside the web side."""

    def start(self) -> None:
        """Start it."""

    def stop(self) -> None:
        """Let it finish what is under way."""


class _Gradings:
    """The embedded pool, with its time to drain."""

    def __init__(self, service: Service, pool: Pool) -> None:
        self._service, self._pool = service, pool

    def start(self) -> None:
        self._pool.start(self._service)

    def stop(self) -> None:
        self._pool.stop(self._service.settings.drain_s)


def serve(settings: Settings, *, does_all: bool) -> None:
    """Serve until SIGTERM or Ctrl-C; then finish what is under way.

    Args:
        does_all: also grade and send results, in this process.

    Raises:
        UsageError: the settings do not fit, or another process has the embedded database.
    """
    configure()
    if settings.is_embedded and not does_all:
        raise UsageError("--role web needs GRADER_DATABASE_URL: SQLite serves one process")
    with _alone(settings):
        service = assembly.open_service(settings)
        beside: list[Running] = []
        if does_all:
            service, grading = _graded_here(service)
            beside = [grading, Sender(service), Upkeep(service)]
        app = create_app(service, lifespan=[_with(beside)])
        uvicorn.run(
            app,
            host=settings.host,
            port=settings.port,
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=30,
        )
        service.database.close()


def _graded_here(service: Service) -> tuple[Service, Running]:
    if service.settings.is_embedded:
        service, pool = assembly.with_pool(service)
        return service, _Gradings(service, pool)
    raise UsageError("not yet")


def _with(beside: list[Running]) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    """Return what starts and stops these with the application, the last one stopped first."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        for one in beside:
            one.start()
        try:
            yield
        finally:
            for one in reversed(beside):
                await run_sync(one.stop)

    return lifespan


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the data folder for this process: two pools would each take the same work."""
    if not settings.is_embedded:
        yield
        return
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (settings.data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"another process serves {settings.data} already") from None
        yield
