"""Set senders up, and rotate their secrets."""

import re
from contextlib import suppress
from datetime import timedelta

import httpx
import msgspec
from sqlalchemy import func, select, update

from grader.errors import UsageError
from grader.service.database import Database
from grader.service.fetching import secure_host
from grader.service.lti.tables import LtiPlatform
from grader.service.tables import SigningSecret, Source, now
from grader.service.webhooks.inbound import is_name
from grader.service.webhooks.kinds import KINDS
from grader.service.webhooks.signatures import new_secret

_HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.ASCII)


class Listed(msgspec.Struct):
    """What may be shown of a source: no secret is."""

    name: str
    kind: str
    callback_url: str
    exercise: str
    course: str
    live_secrets: int
    newest_secret_at: str
    is_refused: bool
    lti_platform: int | None


def add(
    database: Database,
    name: str,
    *,
    kind: str = "standard",
    callback_url: str = "",
    exercise: str = "",
    course: str = "",
    fetch_host: str = "",
    fetch_token: str = "",
    lti_platform: int | None = None,
) -> str:
    """Insert a source and return its first secret, which is not shown again.

    Args:
        fetch_host: as secure_host returns it, or as an operator writes it.
        lti_platform: whose courses these are, by the same ids.

    Raises:
        UsageError: the name is taken or is none, or a value does not fit its kind.
    """
    if not is_name(name):
        raise UsageError(f"{name!r} is no name: a-z, 0-9, dot, dash and underscore, at most 100")
    if kind not in KINDS:
        raise UsageError(f"no kind is called {kind!r}; there are: {', '.join(KINDS)}")
    if KINDS[kind].events and not exercise:
        raise UsageError(f"a push names no exercise: give --exercise for kind {kind}")
    if callback_url and not callback_url.startswith(("https://", "http://")):
        raise UsageError("--callback takes an address that begins with https://")
    if bool(fetch_host) != bool(fetch_token):
        raise UsageError("--fetch-host and --fetch-token-file go together")
    fetch_host = _host(fetch_host) if fetch_host else ""
    with database.transaction() as session:
        if lti_platform is not None and session.get(LtiPlatform, lti_platform) is None:
            raise UsageError(f"there is no platform {lti_platform}; see grader lti list")
        if session.get(Source, name) is not None:
            raise UsageError(f"{name} is there already; grader webhook rotate gives a new secret")
        source = Source(name=name, kind=kind, callback_url=callback_url, exercise=exercise)
        source.course, source.fetch_host, source.fetch_token = course, fetch_host, fetch_token
        source.created_at, source.lti_platform_id = now(), lti_platform
        session.add(source)
        session.flush()
        secret = SigningSecret(source=name, text=new_secret(), created_at=source.created_at)
        session.add(secret)
        return secret.text


def _host(text: str) -> str:
    """Return a host as addresses are compared with it."""
    url = text if "://" in text else f"https://{text}"
    with suppress(httpx.InvalidURL):
        host, read = secure_host(url), httpx.URL(url)
        is_bare = not (read.userinfo or read.fragment) and read.raw_path == b"/"
        if is_bare and _HOST.fullmatch(host):
            return host
    raise UsageError(
        f"--fetch-host takes a host that speaks https, such as git.example.org:3000, not {text!r}"
    )


def rotate(database: Database, name: str, *, keep_hours: float) -> str:
    """Insert a new secret and return it; those before it live on for so many hours.

    Raises:
        UsageError: there is no such source.
    """
    moment = now()
    end = moment + timedelta(hours=keep_hours)
    with database.transaction() as session:
        source = session.get(Source, name)
        if source is None:
            raise UsageError(f"no source is called {name!r}; see grader webhook list")
        older = (SigningSecret.source == name) & (
            SigningSecret.expires_at.is_(None) | (SigningSecret.expires_at > end)
        )
        session.execute(update(SigningSecret).where(older).values(expires_at=end))
        secret = SigningSecret(source=name, text=new_secret(), created_at=moment)
        session.add(secret)
        source.callback_refused_at = None
        return secret.text


def listed(database: Database) -> list[Listed]:
    """Return the sources, by name."""
    alive = SigningSecret.expires_at.is_(None) | (SigningSecret.expires_at > now())
    secrets = select(
        SigningSecret.source,
        func.count().label("live"),
        func.max(SigningSecret.created_at).label("newest"),
    )
    by_source = secrets.where(alive).group_by(SigningSecret.source).subquery()
    rows = select(Source, by_source.c.live, by_source.c.newest)
    rows = rows.outerjoin(by_source, by_source.c.source == Source.name).order_by(Source.name)
    with database.reading() as session:
        return [
            Listed(
                source.name,
                source.kind,
                source.callback_url,
                source.exercise,
                source.course,
                live or 0,
                "" if newest is None else f"{newest:%Y-%m-%d %H:%M}",
                source.callback_refused_at is not None,
                source.lti_platform_id,
            )
            for source, live, newest in session.execute(rows)
        ]
