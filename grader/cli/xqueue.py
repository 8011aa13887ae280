"""Serve an Open edX queue."""

import hashlib
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from grader.cli.common import (
    FeedbackName,
    SandboxName,
    SandboxOption,
    load_exercise,
    reporting_errors,
)
from grader.errors import UsageError

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def xqueue(
    url: Annotated[str, typer.Option(help="The server, such as https://courses.example.org.")],
    queue: Annotated[str, typer.Option(help="Name of the queue.")],
    exercise: Annotated[
        str | None, typer.Option(help="Exercise where grader_payload names none.")
    ] = None,
    credentials: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with username, password, and basic_auth; else GRADER_XQUEUE_USERNAME, "
            "GRADER_XQUEUE_PASSWORD and GRADER_XQUEUE_BASIC_AUTH of the environment."
        ),
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="Folder that keeps what is not yet answered.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=64, help="Gradings at once.")] = 1,
    sandbox: SandboxOption = SandboxName.auto,
    feedback: Annotated[
        FeedbackName, typer.Option(help="How much a student sees.")
    ] = FeedbackName.full,
    file_host: Annotated[
        list[str] | None,
        typer.Option(help="Host that uploads may be fetched from, besides the server's; repeat."),
    ] = None,
    poll_s: Annotated[
        float, typer.Option(min=0.1, max=300, help="Seconds between looks at an empty queue.")
    ] = 5.0,
    timeout_s: Annotated[
        float, typer.Option(min=1, max=3600, help="Seconds for one grading.")
    ] = 270.0,
    until_empty: Annotated[
        bool, typer.Option("--until-empty", help="End when the queue is empty.")
    ] = False,
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="Send the password without TLS.")
    ] = False,
) -> None:
    """Pull submissions from an Open edX queue (XQueue), grade them, put the results."""
    with reporting_errors():
        _refuse_clear_text(url, allow_http)
        try:
            from grader.xqueue.client import Client, LoginRefused
        except ModuleNotFoundError as error:
            raise UsageError(
                f"{error.name} is missing; in a checkout: pip install '.[xqueue]'"
            ) from None
        from grader.xqueue.credentials import read

        known = read(credentials, os.environ)
        chosen = load_exercise(exercise)
        from grader.intake import IntakeLimits
        from grader.xqueue.grading import Grading
        from grader.xqueue.puller import Puller
        from grader.xqueue.spool import Spool
        from grader.xqueue.uploads import Uploads
        from reference import names

        _log_to_standard_error()
        arguments = ["--view", "student", "--feedback", feedback.value, "--sandbox", sandbox.value]
        default = exercise or chosen.name
        exercises = {**{name: name for name in names()}, chosen.name: default}
        uploads = Uploads(url, file_host or [], IntakeLimits().archive_bytes)
        grading = Grading(uploads, exercises, default, arguments, timeout_s=timeout_s)
        spool, client = Spool(state or _default_state(url, queue)), Client(url, queue, known)
        puller = Puller(
            client, spool, grading.reply, slots=jobs, poll_s=poll_s, until_empty=until_empty
        )
        stop_on_signals(puller.stop)
        try:
            puller.run()
        except LoginRefused as error:
            raise UsageError(f"{error}: see --credentials, or set GRADER_XQUEUE_PASSWORD") from None
        finally:
            client.close()
            spool.close()


def _refuse_clear_text(url: str, allowed: bool) -> None:
    """A password is not sent without TLS, but to this machine or where it is asked for."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it is what checks it
    except ValueError as error:
        raise UsageError(f"--url: {error}, in {url!r}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"--url takes http:// or https:// and a host, not {url!r}")
    if parts.path.strip("/") or parts.query or parts.username:
        raise UsageError("--url takes no path, query or password: /xqueue/ is added")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not allowed:
        raise UsageError(f"{url} would get the password without TLS; use https or --allow-http")


def _default_state(url: str, queue: str) -> Path:
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    name = hashlib.sha256(f"{url} {queue}".encode()).hexdigest()[:16]
    return Path(base) / "nnx-grader" / "xqueue" / name


def stop_on_signals(stop: Callable[[], None]) -> None:
    """First signal: end what is underway, then stop. Second: at once; what is kept is kept."""

    def handle(number: int, _: object) -> None:
        for caught in (signal.SIGTERM, signal.SIGINT):
            signal.signal(caught, signal.SIG_DFL)
        stop()

    for caught in (signal.SIGTERM, signal.SIGINT):
        signal.signal(caught, handle)


def _log_to_standard_error() -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
