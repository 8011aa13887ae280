"""Put a service together from its settings."""

import dataclasses
import sqlite3
from typing import Protocol

from sqlalchemy.exc import ArgumentError, DBAPIError

from grader.errors import UsageError
from grader.service import addresses, migrations
from grader.service.core import Service, load_exercises
from grader.service.database import Database
from grader.service.judging.process import JudgingProcess
from grader.service.judging.work import Grader
from grader.service.lti import grades
from grader.service.pool import Pool
from grader.service.settings import Settings
from grader.service.webhooks import planning


class Running(Protocol):
    """What runs beside the web side, or alone in a worker."""

    def start(self) -> None:
        """Start it."""

    def request_stop(self) -> None:
        """Have it begin nothing more; return at once."""

    def stop(self) -> None:
        """Have it begin nothing more, and wait until what is under way is finished."""


def open_service(settings: Settings) -> Service:
    """Return a service whose database has the tables that this version needs.

    Raises:
        UsageError: an exercise is not there, or the database cannot be opened or is not migrated.
    """
    exercises = load_exercises(settings)
    database = reach_database(settings)
    ensure_tables(settings, database)
    client = addresses.client(settings.allow_networks)
    service = Service(settings, database, exercises, client, listeners=(planning.plan, grades.plan))
    if settings.is_embedded:
        return service
    from grader.service.cluster.queue import QueueDispatch

    return dataclasses.replace(service, dispatch=QueueDispatch())


def reach_database(settings: Settings) -> Database:
    """Return the database of the settings, which has answered once.

    Raises:
        UsageError: it cannot be opened; the text names the setting, and no password.
    """
    where = f"GRADER_DATA: {settings.data}" if settings.is_embedded else "GRADER_DATABASE_URL"
    try:
        database = Database(settings.url)
        with database.engine.connect():
            pass
    except (ArgumentError, ValueError):  # its own words hold the whole address
        form = "postgresql+psycopg://USER:PASSWORD@HOST:PORT/NAME"
        raise UsageError(f"{where} is no address of a database: {form}") from None
    except OSError as error:
        raise no_folder(settings, error) from None
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        words = str(cause).strip().partition("\n")[0]
        raise UsageError(f"{where}: the database cannot be opened: {words}") from None
    return database


def no_folder(settings: Settings, error: OSError) -> UsageError:
    """Say that the embedded service cannot keep anything where it is told to."""
    return UsageError(f"GRADER_DATA: nothing can be kept in {settings.data}: {error.strerror}")


def ensure_tables(settings: Settings, database: Database) -> None:
    """Bring the embedded database up to date; a shared one is for `grader migrate`.

    Raises:
        UsageError: a shared database has other tables than this version needs.
    """
    if settings.is_embedded:
        migrations.upgrade(database)
    elif not migrations.are_newest(database):
        raise UsageError("the database has other tables than this version needs: grader migrate")


def make_grader(settings: Settings) -> Grader:
    """Return a grader that judges behind the wall."""
    return JudgingProcess(
        sandbox=settings.sandbox, workers=settings.workers, deadline_s=settings.grading_s
    )


def graded_here(service: Service) -> tuple[Service, Running]:
    """Return the service, with its dispatch, and what grades in this process, not started."""
    settings = service.settings

    def make() -> Grader:
        return make_grader(settings)

    if settings.is_embedded:
        pool = Pool(make, settings.slots, drain_s=settings.drain_s)
        service = dataclasses.replace(service, dispatch=pool)
        pool.serves(service)
        return service, pool
    from grader.service.cluster.worker import ClusterWorker

    return service, ClusterWorker(service, make)
