"""Register learning platforms, and see to the grades that go to them."""

import dataclasses
import json
from typing import Annotated, get_args

import typer

from grader.cli.common import NOT_ACCEPTED, FormatOption
from grader.cli.service import MOST_ID, installed, open_database
from grader.errors import UsageError
from grader.report.format import Format

platforms = typer.Typer(help="Register learning platforms (LTI 1.3).", no_args_is_help=True)
grades = typer.Typer(help="See to the grades that go to platforms.", no_args_is_help=True)

PlatformArgument = Annotated[
    int, typer.Argument(min=1, max=MOST_ID, help="Number of the platform, as listed.")
]
GradeArgument = Annotated[
    int, typer.Argument(min=1, max=MOST_ID, help="Number of the grade, as listed.")
]


@platforms.command("add-platform")
def add_platform(
    client_id: Annotated[str, typer.Option(help="What the platform calls this tool.")],
    family: Annotated[str, typer.Option(help="moodle, canvas, or any other name.")] = "",
    url: Annotated[str, typer.Option(help="Of a Moodle, or a Canvas of your own.")] = "",
    issuer: Annotated[str, typer.Option(help="Its issuer.")] = "",
    login_url: Annotated[str, typer.Option(help="Its authentication request URL.")] = "",
    token_url: Annotated[str, typer.Option(help="Its access token URL.")] = "",
    keys_url: Annotated[str, typer.Option(help="Its public keyset URL.")] = "",
    token_audience: Annotated[str, typer.Option(help="Where it differs: Brightspace.")] = "",
    deployment: Annotated[
        list[str] | None, typer.Option(help="Deployment id; none: each that launches is kept.")
    ] = None,
    frame: Annotated[
        list[str] | None, typer.Option(help="Another host that shows it in a frame: Open edX.")
    ] = None,
) -> None:
    """Register a platform by hand; moodle and canvas need no addresses but --url."""
    with installed():
        from grader.service.lti import registry
        from grader.service.lti.claims import host_of
        from grader.service.lti.platform import Platform
        from grader.service.lti.platform import frame as origin_of
        from grader.service.lti.presets import FAMILIES, addresses

        given = {"issuer": issuer, "login_url": login_url, "token_url": token_url}
        given |= {"keys_url": keys_url}
        known = dataclasses.asdict(addresses(family, url)) if family in FAMILIES else {}
        chosen = {name: given[name] or known.get(name, "") for name in given}
        missing = [f"--{name.replace('_', '-')}" for name, value in chosen.items() if not value]
        if missing:
            raise UsageError(f"{', '.join(missing)} missing; --family moodle or canvas knows them")
        for name, value in chosen.items():
            if not host_of(value):
                option = f"--{name.replace('_', '-')}"
                raise UsageError(f"{option} takes an address, https://..., not {value!r}")
        platform = Platform(
            id="",
            client_id=client_id,
            issuer=chosen["issuer"],
            login_url=chosen["login_url"],
            token_url=chosen["token_url"],
            keys_url=chosen["keys_url"],
            token_audience=token_audience or chosen["token_url"],
            family=family,
            deployments=frozenset(deployment or []),
            any_deployment=not deployment,
            frames=tuple(origin_of(one) for one in frame or []),
        )
        with open_database() as database, database.transaction() as session:
            id = registry.add(session, platform)
        typer.echo(f"platform {id}: {platform.issuer}")
        _echo_tool()


@platforms.command()
def approve(platform: PlatformArgument) -> None:
    """Let a platform in that registered itself."""
    with installed():
        from grader.service.lti import registry

        with open_database() as database, database.transaction() as session:
            registry.approve(session, platform)
            found = registry.get(session, platform)
        typer.echo(f"platform {platform} is let in: {found.issuer}")
        if found.token_audience != found.token_url:
            typer.echo(f"it is signed for {found.token_audience}: is that its token service?")


@platforms.command()
def block(platform: PlatformArgument) -> None:
    """Shut a platform out: no launch, no grade, until it is approved again. Nothing is deleted."""
    with installed():
        from grader.service.lti import registry

        with open_database() as database, database.transaction() as session:
            registry.block(session, platform)
            found = registry.get(session, platform)
        typer.echo(f"platform {platform} is shut out, and its people signed out: {found.issuer}")
        typer.echo(f"its grades wait; grader lti approve {platform} lets it in again")


@platforms.command()
def frames(
    platform: PlatformArgument,
    origins: Annotated[
        list[str] | None, typer.Argument(help="https://apps.example.org; none: only its own.")
    ] = None,
) -> None:
    """Say which hosts besides the platform's own show it in a frame, from the next launch on."""
    with installed():
        from grader.service.lti import registry
        from grader.service.lti.platform import frame

        chosen = [frame(one) for one in origins or []]
        with open_database() as database, database.transaction() as session:
            registry.set_frames(session, platform, chosen)
        shown_by = ", ".join(["its own hosts", *chosen])
        typer.echo(f"platform {platform} is shown by {shown_by}")


@platforms.command()
def check(platform: PlatformArgument) -> None:
    """Try a platform's keys and its token service. Exit code 0: both answer."""
    with installed():
        from grader.service import settings
        from grader.service.lti import operating

        with open_database() as database:
            import asyncio  # 0.04 s, of every command's start

            found = asyncio.run(operating.check(settings.read(), database, platform))
        for one in found:
            typer.echo(f"{'ok  ' if one.ok else 'FAIL'}  {one.what}  {one.words}".rstrip())
        if not all(one.ok for one in found):
            raise typer.Exit(NOT_ACCEPTED)


@platforms.command("list")
def list_() -> None:
    """List the platforms, and the addresses that an administrator enters there."""
    with installed():
        from grader.service.lti import registry

        with open_database() as database, database.reading() as session:
            found = registry.every(session)
        for one in found:
            standing = "BLOCKED" if one.blocked else "NOT APPROVED"
            waits = "" if one.approved else f"  {standing}: grader lti approve {one.id}"
            where = ", ".join(sorted(one.deployments)) or "none yet"
            typer.echo(f"{one.id}  {one.issuer}  client id {one.client_id}{waits}")
            typer.echo(f"    {one.family or 'family unknown'}, deployments: {where}")
            typer.echo(f"    keys {one.keys_url}  tokens {one.token_url}")
            if one.token_audience != one.token_url:
                typer.echo(f"    signs for {one.token_audience}")
            if one.frames:
                typer.echo(f"    in frames of {', '.join(one.frames)}")
        if not found:
            typer.echo("no platforms yet")
        _echo_tool()


@platforms.command("rotate-key")
def rotate_key() -> None:
    """Make a new signing key: published now, used after a day, the old one kept for a week more."""
    with installed():
        from grader.service.lti import key_store

        with open_database() as database:
            typer.echo(f"new key {key_store.rotate(database).kid}")


@grades.command()
def status(
    step: Annotated[str, typer.Option(help="Only send, read, probe, done or parked.")] = "",
    course: Annotated[str, typer.Option(help="Only of this course, by the platform's id.")] = "",
    user: Annotated[str, typer.Option(help="Only of this user, by the platform's id.")] = "",
    format: FormatOption = Format.text,
) -> None:
    """Show which grades are done, on their way, or parked, and why."""
    with installed():
        from grader.service.lti import operating
        from grader.service.lti.ags.row import Step

        if step and step not in get_args(Step):
            raise UsageError(f"--step takes one of {', '.join(get_args(Step))}, not {step!r}")
        with open_database() as database:
            found = operating.states(database, step=step, course=course, user=user)
        if format is Format.json:
            typer.echo(json.dumps([dataclasses.asdict(one) for one in found], default=str))
            return
        for one in found:
            if one.step != "done" or step or course or user:
                head = f"{one.id}  {one.step:<6}  {one.wanted}  {one.user}"
                typer.echo(f"{head}  {one.course}, {one.link}")
                if one.problem:
                    typer.echo(f"    {one.problem}")
        done = sum(one.step == "done" for one in found)
        parked = sum(one.step == "parked" for one in found)
        typer.echo(f"{done} done, {len(found) - done - parked} on their way, {parked} parked")


@grades.command()
def resend(
    grade: Annotated[
        list[int] | None, typer.Argument(min=1, max=MOST_ID, help="Numbers, as listed.")
    ] = None,
    parked: Annotated[bool, typer.Option("--parked", help="All that are parked.")] = False,
    course: Annotated[str, typer.Option(help="With --parked: only of this course.")] = "",
) -> None:
    """Send grades again, once more from the start."""
    with installed():
        from grader.service.lti import operating

        if bool(grade) is parked:
            raise UsageError("name the grades, or say --parked")
        with open_database() as database:
            waiting = operating.states(database, step="parked", course=course) if parked else []
            ids = grade or [one.id for one in waiting]
            for stranger in operating.unknown(database, grade or []):
                raise operating.no_grade(stranger)
            typer.echo(f"{operating.resend(database, ids)} will be sent again")


@grades.command()
def why(grade: GradeArgument) -> None:
    """Tell what happened to a grade, step by step, in the platform's own words."""
    with installed():
        from grader.service.lti import operating

        with open_database() as database:
            state, steps = operating.why(database, grade)
        typer.echo(f"{state.user} in {state.course}, {state.link}: {state.wanted}, {state.step}")
        for one in steps:
            typer.echo(f"{one.at:%Y-%m-%d %H:%M:%S}  {one.what}  {one.words}".rstrip())
        if state.due_at is not None:
            typer.echo(f"next: {state.step}, not before {state.due_at:%Y-%m-%d %H:%M:%S} UTC")


def _echo_tool() -> None:
    from grader.service import settings
    from grader.service.lti.registration import Tool

    tool = Tool(base_url=settings.read().base_url)
    typer.echo("for the platform's administrator:")
    typer.echo(f"    registration address (Moodle)  {tool.register}")
    typer.echo(f"    tool and redirect address      {tool.launch}")
    typer.echo(f"    login address                  {tool.login}")
    typer.echo(f"    public keyset                  {tool.keys}")
    typer.echo(f"    Canvas, as a developer key     {tool.base_url}/lti/canvas.json")
