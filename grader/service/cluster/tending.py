"""Look after the queue: jobs of workers that are gone, gradings that no job stands for."""

import asyncio
import time
from datetime import timedelta

import structlog
from procrastinate import App
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status
from sqlalchemy import or_, select

from grader.service.core import Service
from grader.service.tables import WAITING, Grading, now

_log = structlog.get_logger()


class Tending:
    """What every worker does for all of them.

    After an outage of the database the heartbeats of living workers are old as well. So nothing is
    taken from anybody until this worker itself has been connected without a break for as long as a
    heartbeat may be old: by then whoever lives has sent a new one.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._stalled_s = service.settings.stalled_s
        self._steady_since = time.monotonic()
        self._reconciled = time.monotonic()

    def interrupted(self) -> None:
        """Note that the connection was lost."""
        self._steady_since = time.monotonic()

    async def run(self, app: App) -> None:
        """Look again and again, until cancelled.

        Raises:
            ConnectorException: the connection was lost.
        """
        while True:
            await asyncio.sleep(self._stalled_s / 3)
            stalled = await app.job_manager.get_stalled_jobs(
                seconds_since_heartbeat=self._stalled_s
            )
            if time.monotonic() - self._steady_since < self._stalled_s:
                continue
            for job in stalled:
                await _take_back(app, job)
            if time.monotonic() - self._reconciled > self._service.settings.reconcile_s:
                self._reconciled = time.monotonic()
                await self._reconcile(app)

    async def _reconcile(self, app: App) -> None:
        """Announce what waits without a job: a queue may lose, or be restored from a backup."""
        waiting = await asyncio.to_thread(self._waiting)
        if not waiting:
            return
        live = set()
        for status in (Status.TODO, Status.DOING):
            for job in await app.job_manager.list_jobs_async(status=status.value):
                live.add(job.queueing_lock)
        for submission_id in waiting:
            if submission_id not in live:
                await asyncio.to_thread(self._announce, submission_id)

    def _waiting(self) -> list[str]:
        """Return what has waited long enough that its job must be there."""
        before = now() - timedelta(seconds=self._service.settings.reconcile_s / 2)
        rows = select(Grading.submission_id).where(
            Grading.state == WAITING,
            Grading.waiting_since < before,
            or_(Grading.not_before.is_(None), Grading.not_before < before),
        )
        with self._service.database.reading() as session:
            return list(session.scalars(rows))

    def _announce(self, submission_id: str) -> None:
        with self._service.database.transaction() as session:
            rows = select(Grading).where(
                Grading.submission_id == submission_id, Grading.state == WAITING
            )
            grading = session.scalars(rows).one_or_none()
            if grading is not None:
                self._service.dispatch.enqueue(session, grading)
                _log.warning("reconciled", submission=submission_id)


async def _take_back(app: App, job: Job) -> None:
    """Let others take the job of a worker that is gone."""
    try:
        await app.job_manager.retry_job(job)
    except ConnectorException:
        # It waits a second time already, or has ended since: drop the one that stalled.
        assert job.id is not None
        try:
            await app.job_manager.finish_job_by_id_async(
                job_id=job.id, status=Status.FAILED, delete_job=True
            )
        except ConnectorException:
            return
    _log.warning("taken_back", job=job.id, worker=job.worker_id)
