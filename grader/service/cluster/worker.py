"""Grade what Procrastinate hands out, through outages of the database, until told to stop.

One thread runs the event loop that talks to the queue; gradings run in threads of their own, each
with its own judging process.
"""

import asyncio
import os
import queue
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import structlog
from procrastinate import App, PsycopgConnector, RetryStrategy
from psycopg.conninfo import make_conninfo
from sqlalchemy import make_url

from grader.service import grading
from grader.service.cluster.queue import QUEUES, TASK
from grader.service.cluster.tending import Tending
from grader.service.core import Service
from grader.service.fairness import BULK, INTERACTIVE
from grader.service.judging.work import Grader

_AGAIN_S = 1.0
_FORGET_WORKERS_S = 86_400.0
"""After which Procrastinate forgets a silent worker. Far above any outage: a worker that is
forgotten while it lives would have every job of its taken for stalled, for good."""

_log = structlog.get_logger()


class ClusterWorker:
    """The gradings of one process on the cluster's queue."""

    def __init__(self, service: Service, make_grader: Callable[[], Grader]) -> None:
        self._service, self._settings = service, service.settings
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._all = [make_grader() for _ in range(self._settings.slots)]
        self._free: queue.SimpleQueue[Grader] = queue.SimpleQueue()
        for grader in self._all:
            self._free.put(grader)
        self._threads = ThreadPoolExecutor(self._settings.slots, thread_name_prefix="grading")
        self._tending = Tending(service)
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="queue", daemon=True)

    def start(self) -> None:
        """Start to take jobs."""
        self._thread.start()

    def request_stop(self) -> None:
        """Take no more jobs; from now on those under way have their time to finish."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._stopping.set)

    def stop(self) -> None:
        """Take no more jobs, wait for those under way, and end what takes longer."""
        self.request_stop()
        self._thread.join(self._settings.drain_s + 30)
        for grader in self._all:
            grader.close()
        self._threads.shutdown(wait=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._work())
        self._loop.close()

    async def _work(self) -> None:
        """Take jobs; start anew when the connection is lost."""
        while not self._stopping.is_set():
            try:
                async with self._app().open_async() as app:
                    await self._take_jobs(app)
            except Exception as error:
                self._tending.interrupted()
                _log.warning("queue_away", worker=self._name, error=type(error).__name__)
            if not self._stopping.is_set():
                await asyncio.sleep(_AGAIN_S)

    async def _take_jobs(self, app: App) -> None:
        """Take jobs until told to stop, or until a connection is lost."""
        tasks = [asyncio.create_task(self._worker(app, *share)) for share in self._shares()]
        tasks += [asyncio.create_task(self._tending.run(app))]
        stopping = asyncio.create_task(self._stopping.wait())
        done, _ = await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (*tasks, stopping):
            task.cancel()  # a worker that is cancelled finishes its jobs first
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        if stopping not in done:
            self._tending.interrupted()
            failed = [one for one in ended if isinstance(one, Exception)]
            _log.warning("queue_lost", worker=self._name, errors=[type(e).__name__ for e in failed])

    def _shares(self) -> list[tuple[list[str], int]]:
        """Return queues and slots: where there are several, one is kept from the bulk."""
        slots, both = self._settings.slots, [QUEUES[INTERACTIVE], QUEUES[BULK]]
        if slots == 1:
            return [(both, 1)]
        return [([QUEUES[INTERACTIVE]], 1), (both, slots - 1)]

    async def _worker(self, app: App, queues: list[str], slots: int) -> None:
        await app.run_worker_async(
            queues=queues,
            name=self._name,
            concurrency=slots,
            install_signal_handlers=False,
            shutdown_graceful_timeout=self._settings.drain_s,
            update_heartbeat_interval=self._settings.stalled_s / 3,
            stalled_worker_timeout=_FORGET_WORKERS_S,
            delete_jobs="successful",
        )

    def _app(self) -> App:
        address = conninfo(self._settings.url)
        connector = PsycopgConnector(conninfo=address, min_size=1, max_size=8, timeout=10)
        app = App(connector=connector)

        # An error that escapes is the database's; what a grading itself meets, it handles.
        @app.task(name=TASK, retry=RetryStrategy(max_attempts=8, exponential_wait=3))
        async def grade(submission_id: str) -> None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._threads, self._grade, submission_id)

        return app

    def _grade(self, submission_id: str) -> None:
        grader = self._free.get()
        try:
            grading.grade(
                self._service,
                grader,
                submission_id,
                worker=self._name,
                is_stopping=self._stopping.is_set,
            )
        finally:
            self._free.put(grader)


def conninfo(url: str) -> str:
    """Return libpq's words for an address of PostgreSQL, as SQLAlchemy reads it.

    A password may hold "/" or "%" as it is: libpq itself would read another host, or refuse it.

    Args:
        url: SQLAlchemy's; parameters after "?" are kept.

    Raises:
        ArgumentError: it is no address of a database.
    """
    parsed = make_url(url)
    _, words = parsed.get_dialect()().create_connect_args(parsed)
    return make_conninfo(**words)
