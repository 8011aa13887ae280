"""Run the service: its web side, its workers, its database. Needs nnx-grader[service]."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.common import reporting_errors
from grader.errors import UsageError

if TYPE_CHECKING:
    from grader.service.database import Database

MOST_ID = 2**31 - 1
"""The largest number of a row that every database takes; SQLite's driver raises above 2**63."""

webhook = typer.Typer(help="Set up who sends submissions by webhook.", no_args_is_help=True)


class Role(StrEnum):
    """What a process does."""

    all = "all"
    web = "web"


@contextmanager
def installed() -> Iterator[None]:
    """Report errors; say what to install where the service's libraries are not there."""
    with reporting_errors():
        try:
            yield
        except ModuleNotFoundError as error:
            raise UsageError(
                f"the service needs {error.name}; in a checkout: pip install '.[service]'"
            ) from None


def serve(
    role: Annotated[
        Role, typer.Option(help="all: also grade and send; web: leave that to grader worker.")
    ] = Role.all,
) -> None:
    """Serve until SIGTERM: submissions in by webhook, grades out. Settings: docs/service.md."""
    with installed():
        from grader.service import serving, settings

        serving.serve(settings.read(), does_all=role is Role.all)


def worker() -> None:
    """Grade until SIGTERM, for the web processes on the same PostgreSQL."""
    with installed():
        from grader.service import serving, settings

        serving.work(settings.read())


def migrate() -> None:
    """Bring the service's database to the newest tables."""
    with installed():
        from grader.service import migrations

        with open_database(migrated=False) as database:
            typer.echo(f"the database is at revision {migrations.upgrade(database)}")


def purge(
    older_than: Annotated[
        int, typer.Option(min=7, max=36_500, help="Days since a submission arrived.")
    ],
) -> None:
    """Delete old submissions, with their files, reports and results, for good."""
    with installed():
        from grader.service import upkeep
        from grader.service.tables import now

        with open_database() as database:
            count = upkeep.purge(database, now() - timedelta(days=older_than))
        typer.echo(f"{count} submissions are gone")


def regrade(
    exercise: Annotated[str, typer.Argument(help="Name of the exercise.")],
    source: Annotated[str, typer.Option(help="Only of this sender.")] = "",
    course: Annotated[str, typer.Option(help="Only of this course.")] = "",
) -> None:
    """Grade again whatever the present version of an exercise has not judged, in the background."""
    with installed():
        from grader.service import assembly, regrading, settings

        service = assembly.open_service(settings.read())
        wanted = regrading.outdated(service, exercise, source=source, course=course)
        count = regrading.regrade_many(service, wanted)
        service.database.close()
        typer.echo(f"{count} submissions wait to be graded again")


@webhook.command()
def add(
    name: Annotated[str, typer.Argument(help="Of the sender, such as campus.")],
    kind: Annotated[str, typer.Option(help="standard, github, gitea or forgejo.")] = "standard",
    callback: Annotated[str, typer.Option(help="Address that results are sent to.")] = "",
    exercise: Annotated[str, typer.Option(help="What a push is a submission of.")] = "",
    course: Annotated[str, typer.Option(help="Course of a push; the sender's name if none.")] = "",
    fetch_host: Annotated[
        str, typer.Option(help="Host that the token is sent to by https, with a port if not 443.")
    ] = "",
    fetch_token_file: Annotated[
        Path | None, typer.Option(help="File with a token that reads private repositories.")
    ] = None,
    lti_platform: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST_ID, help="Platform whose courses these are: its staff see failures."
        ),
    ] = None,
) -> None:
    """Let somebody send submissions; prints address and secret, the secret only this once."""
    with installed():
        from grader.service import core, settings
        from grader.service.webhooks import sources

        if exercise:
            core.exercise_called(exercise, core.load_exercises(settings.read()))
        token = "" if fetch_token_file is None else _text(fetch_token_file)
        with open_database() as database:
            secret = sources.add(
                database,
                name,
                kind=kind,
                callback_url=callback,
                exercise=exercise,
                course=course,
                fetch_host=fetch_host,
                fetch_token=token,
                lti_platform=lti_platform,
            )
        typer.echo(f"address: {settings.read().base_url}/hooks/submissions/{name}")
        typer.echo(f"secret:  {secret}")


@webhook.command()
def rotate(
    name: Annotated[str, typer.Argument(help="Of the sender.")],
    keep_hours: Annotated[
        float, typer.Option(min=0, max=8760, help="How long older secrets still count.")
    ] = 24.0,
) -> None:
    """Give a sender a new secret; older ones still count for a while. Lifts a 410 as well."""
    with installed():
        from grader.service.webhooks import sources

        with open_database() as database:
            secret = sources.rotate(database, name, keep_hours=keep_hours)
        typer.echo(f"secret:  {secret}")


@webhook.command("list")
def list_() -> None:
    """List the senders; no secret is shown."""
    with installed():
        from grader.service.webhooks import sources

        with open_database() as database:
            found = sources.listed(database)
        for one in found:
            where = f", results to {one.callback_url}" if one.callback_url else ""
            gone = " (it answered 410: nothing is sent)" if one.is_refused else ""
            what = f", {one.exercise}" if one.exercise else ""
            if one.lti_platform is not None:
                what += f", courses of platform {one.lti_platform}"
            secrets = f"{one.live_secrets} live secrets, newest of {one.newest_secret_at}"
            typer.echo(f"{one.name}  {one.kind}{what}, {secrets}{where}{gone}")
        if not found:
            typer.echo("no senders yet: grader webhook add NAME")


@contextmanager
def open_database(*, migrated: bool = True) -> Iterator["Database"]:
    """Open the database of the settings.

    Args:
        migrated: whether its tables have to be there; the embedded one is brought up to date.
    """
    from grader.service import assembly, settings

    chosen = settings.read()
    database = assembly.reach_database(chosen)
    try:
        if migrated:
            assembly.ensure_tables(chosen, database)
        yield database
    finally:
        database.close()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:  # whose own words would show a part of the secret
        raise UsageError(f"cannot read {path}: it is not UTF-8") from None
