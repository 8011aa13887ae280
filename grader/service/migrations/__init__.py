"""Bring a database to the tables that this version of the program knows."""

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import text

from grader.errors import UsageError
from grader.service.database import Database
from grader.service.lti import tables as lti_tables
from grader.service.migrations import queue

ROOMS = (lti_tables,)
"""Whose tables Base.metadata holds besides the service's own, once they are imported."""
_LOCK = 7231584120
"""Key of the advisory lock: two `grader migrate` at once take turns."""


def upgrade(database: Database) -> str:
    """Bring the database to the newest revision and return that; Procrastinate's tables too.

    Raises:
        UsageError: a newer version of this program has been at it.
    """
    with database.engine.connect() as connection, connection.begin():
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config = _config()
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:  # a revision that these files do not know
            raise UsageError(
                f"the database is of a newer version of this program: {error}"
            ) from None
        if not database.is_sqlite:
            queue.upgrade(connection)
    return newest()


def current(database: Database) -> str | None:
    """Return the revision that the database is at; None for an empty one."""
    with database.reading() as session:
        return MigrationContext.configure(session.connection()).get_current_revision()


def are_newest(database: Database) -> bool:
    """Return whether the tables, the queue's too, are exactly those that this version needs."""
    if current(database) != newest():
        return False
    if database.is_sqlite:
        return True
    with database.reading() as session:
        return queue.current(session.connection()) == queue.newest()


def newest() -> str:
    """Return the revision that this version of the program needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def is_ours(name: str | None, kind: str, parents: object) -> bool:
    """Return whether a table is ours: Procrastinate keeps its own in the same database."""
    return kind != "table" or not str(name).startswith("procrastinate_")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "grader.service:migrations")
    return config
