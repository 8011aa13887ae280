"""Bring Procrastinate's own tables to what the installed Procrastinate knows.

It ships its migrations as SQL and leaves to the user to know which were applied. The name of the
last one is kept as the comment of its main table, and so in every dump of it.
"""

from importlib import resources
from importlib.resources.abc import Traversable

from sqlalchemy import Connection, inspect, text

from grader.errors import UsageError

TABLE = "procrastinate_jobs"
_UNRECORDED = "03.04.00_50_post_add_retry_failed_job_procedure"
"""The last of Procrastinate 3.10, our first: where tables have no comment, as they had at first."""


def upgrade(connection: Connection) -> None:
    """Lay the tables out, or apply what is new, in the connection's transaction.

    Raises:
        UsageError: they are those of a newer Procrastinate.
    """
    at = current(connection)
    if at is not None and at > newest():
        raise UsageError(
            f"the queue's tables are those of a newer Procrastinate ({at}): install it"
        )
    if at is None:
        _execute(connection, _sql().joinpath("schema.sql"))
    else:
        for name in (one for one in _migrations() if one > at):
            _execute(connection, _sql().joinpath("migrations", f"{name}.sql"))
    if at != newest():
        connection.execute(text(f"COMMENT ON TABLE {TABLE} IS '{newest()}'"))


def current(connection: Connection) -> str | None:
    """Return the last migration of the tables; None where there are none."""
    there = inspect(connection)
    if not there.has_table(TABLE):
        return None
    return there.get_table_comment(TABLE)["text"] or _UNRECORDED


def newest() -> str:
    """Return the last migration that the installed Procrastinate knows."""
    return _migrations()[-1]


def _migrations() -> list[str]:
    """Return the names of all, in their order: they begin with the version, in fixed width."""
    files = _sql().joinpath("migrations").iterdir()
    return sorted(one.name.removesuffix(".sql") for one in files if one.name.endswith(".sql"))


def _sql() -> Traversable:
    return resources.files("procrastinate.sql")


def _execute(connection: Connection, file: Traversable) -> None:
    """Run SQL as it is written: without parameters the driver sends all statements at once."""
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute(file.read_text("utf-8"))
