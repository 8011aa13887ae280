"""Put a service together from its settings."""

import dataclasses

from grader.errors import UsageError
from grader.service import addresses, migrations
from grader.service.core import Service, load_exercises
from grader.service.database import Database
from grader.service.judging.process import JudgingProcess
from grader.service.judging.work import Grader
from grader.service.pool import Pool
from grader.service.settings import Settings
from grader.service.webhooks import outbound


def open_service(settings: Settings) -> Service:
    """Return a service whose database has the tables that this version needs.

    Raises:
        UsageError: an exercise is not there, or the database is not migrated.
    """
    exercises = load_exercises(settings)
    database = Database(settings.url)
    ensure_tables(settings, database)
    client = addresses.client(settings.allow_networks)
    return Service(settings, database, exercises, client, listeners=(outbound.plan,))


def ensure_tables(settings: Settings, database: Database) -> None:
    """Bring the embedded database up to date; a shared one is for `grader migrate`.

    Raises:
        UsageError: a shared database has other tables than this version needs.
    """
    if settings.is_embedded:
        migrations.upgrade(database)
    elif migrations.current(database) != migrations.newest():
        raise UsageError("the database has other tables than this version needs: grader migrate")


def make_grader(settings: Settings) -> Grader:
    """Return a grader that judges behind the wall."""
    return JudgingProcess(sandbox=settings.sandbox, deadline_s=settings.grading_s)


def with_pool(service: Service) -> tuple[Service, Pool]:
    """Return the service with the dispatch of one process, and that, not started."""
    pool = Pool(lambda: make_grader(service.settings), service.settings.slots)
    return dataclasses.replace(service, dispatch=pool), pool
