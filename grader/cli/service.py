"""Run the service: its web side, its workers, its database. Needs nnx-grader[service]."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from grader.cli.common import reporting_errors
from grader.errors import UsageError


@contextmanager
def installed() -> Iterator[None]:
    """Report errors; say what to install where the service's libraries are not there."""
    with reporting_errors():
        try:
            yield
        except ModuleNotFoundError as error:
            raise UsageError(
                f"the service needs {error.name}; install it with: pip install nnx-grader[service]"
            ) from None


def migrate() -> None:
    """Bring the service's database to the newest tables."""
    with installed():
        from grader.service import migrations, settings
        from grader.service.database import Database

        database = Database(settings.read().url)
        typer.echo(f"the database is at revision {migrations.upgrade(database)}")
        database.close()
