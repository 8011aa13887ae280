"""Keep the registered platforms."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from grader.errors import UsageError
from grader.service.database import insert_once
from grader.service.lti.claims import host_of
from grader.service.lti.login import LoginRequest
from grader.service.lti.platform import Platform
from grader.service.lti.refusals import LaunchRefused
from grader.service.lti.tables import LtiDeployment, LtiLaunch, LtiPlatform
from grader.service.tables import Login, now

_MOST_WAITING = 100
"""Registrations that wait for approval: anybody can register, again and again."""


def add(session: Session, platform: Platform) -> int:
    """Insert a platform and return its id; one that waits for approval is replaced.

    What an operator was told to let in stays that, though: whoever knows its client id could have
    its number name another's keys. Only the operator's word replaces it by other addresses.

    Raises:
        UsageError: this client id is registered already.
    """
    known = (LtiPlatform.issuer == platform.issuer, LtiPlatform.client_id == platform.client_id)
    old = session.scalars(select(LtiPlatform).where(*known)).one_or_none()
    if old is not None and (old.approved_at or old.blocked_at):
        raise UsageError(
            f"{platform.issuer} with client id {platform.client_id} is registered already, "
            f"as platform {old.id}"
        )
    if old is not None and not platform.approved and _addresses(old) != _addresses(platform):
        raise UsageError(
            f"{platform.issuer} with client id {platform.client_id} waits for approval already, "
            f"with other addresses, as platform {old.id}; grader lti list shows them"
        )
    if old is not None:
        session.delete(old)
        session.flush()
    if platform.approved:
        _refuse_anothers_audience(session, platform)
    else:
        _make_room(session)
    row = LtiPlatform(
        issuer=platform.issuer,
        client_id=platform.client_id,
        login_url=platform.login_url,
        token_url=platform.token_url,
        token_audience=platform.token_audience,
        keys_url=platform.keys_url,
        family=platform.family,
        any_deployment=platform.any_deployment,
        frames=" ".join(platform.frames),
        approved_at=now() if platform.approved else None,
        created_at=now(),
    )
    session.add(row)
    session.flush()
    for deployment in sorted(platform.deployments):
        session.add(LtiDeployment(platform_id=row.id, deployment=deployment))
    return row.id


def _addresses(platform: Platform | LtiPlatform) -> tuple[str, ...]:
    return platform.login_url, platform.token_url, platform.token_audience, platform.keys_url


def _make_room(session: Session) -> None:
    """Drop the registrations that have waited longest: the newest keeps its number from another."""
    waits = (LtiPlatform.approved_at.is_(None), LtiPlatform.blocked_at.is_(None))
    waiting = select(LtiPlatform.id).where(*waits)
    oldest = waiting.order_by(LtiPlatform.id.desc()).offset(_MOST_WAITING - 1)
    session.execute(delete(LtiPlatform).where(LtiPlatform.id.in_(oldest)))


def _refuse_anothers_audience(session: Session, platform: Platform | LtiPlatform) -> None:
    """Make sure that what we sign for a platform is of no use at another one's token service.

    What is signed names our client id and the audience, and both are what the platform says: with
    those of another one it would get our grades' key to that one's courses.

    Raises:
        UsageError: both are another registration's.
    """
    audience = host_of(platform.token_audience)
    rows = select(LtiPlatform).where(LtiPlatform.client_id == platform.client_id)
    for other in session.scalars(rows.where(LtiPlatform.approved_at.is_not(None))):
        hosts = {host_of(url) for url in (other.issuer, other.token_url, other.token_audience)}
        if audience in hosts or host_of(other.token_audience) == host_of(platform.token_url):
            raise UsageError(
                f"client id {platform.client_id} at {audience} is platform {other.id}'s, of "
                f"{other.issuer}; a platform cannot be registered with another one's"
            )


def approve(session: Session, id: int) -> None:
    """Let a platform in, for the first time or again.

    Raises:
        UsageError: there is no such platform, or it would be signed for as another one.
    """
    row = _row(session, id)
    if row.approved_at is None:
        _refuse_anothers_audience(session, row)
        row.approved_at = now()
    row.blocked_at = None


def block(session: Session, id: int) -> None:
    """Let a platform launch no more; its grades wait, and whoever it launched is signed out.

    Raises:
        UsageError: there is no such platform.
    """
    _row(session, id).blocked_at = now()
    launched = select(LtiLaunch.login_id).where(LtiLaunch.platform_id == id)
    session.execute(delete(Login).where(Login.id.in_(launched)))


def set_frames(session: Session, id: int, frames: Sequence[str]) -> None:
    """Let pages of these origins, and of none but these and its own, show a platform's launches.

    Raises:
        UsageError: there is no such platform.
    """
    _row(session, id).frames = " ".join(frames)


def every(session: Session) -> list[Platform]:
    """Return all platforms, the oldest first."""
    rows = session.scalars(select(LtiPlatform).order_by(LtiPlatform.id))
    return [_platform(session, row) for row in rows]


def get(session: Session, id: int) -> Platform:
    """Return a platform.

    Raises:
        UsageError: there is none with this id.
    """
    return _platform(session, _row(session, id))


def find(session: Session, request: LoginRequest) -> Platform:
    """Return the platform that a login request names.

    Raises:
        LaunchRefused: it is not registered, not approved, or the request fits several.
    """
    rows = select(LtiPlatform).where(LtiPlatform.issuer == request.issuer)
    if request.client_id:
        rows = rows.where(LtiPlatform.client_id == request.client_id)
    found = [_platform(session, row) for row in session.scalars(rows)]
    # Anybody can register in another platform's name: what nobody let in takes no one's place.
    found = [one for one in found if one.approved] or found
    if len(found) > 1 and request.deployment:
        found = [one for one in found if request.deployment in one.deployments]
    if len(found) > 1:
        raise LaunchRefused("platform_unknown", "several registrations fit: client_id is missing")
    if not found:
        named = f"{request.issuer[:200]!r}, client id {request.client_id[:200]!r}"
        raise LaunchRefused("platform_unknown", f"{named} is not registered")
    refuse_unapproved(found[0])
    return found[0]


def refuse_unapproved(platform: Platform) -> None:
    """Let nobody in from a platform that the operator has not let in, or has shut out.

    Raises:
        LaunchRefused: it is such a one.
    """
    if not platform.approved:
        waits = f"grader lti approve {platform.id} lets it in"
        raise LaunchRefused("platform_not_approved", f"{platform.issuer[:200]!r}: {waits}")


def keep_deployment(session: Session, platform: Platform, deployment: str) -> None:
    """Keep a deployment of a platform that may launch from any."""
    if deployment not in platform.deployments:
        insert_once(session, LtiDeployment, platform_id=int(platform.id), deployment=deployment)


def _row(session: Session, id: int) -> LtiPlatform:
    row = session.get(LtiPlatform, id)
    if row is None:
        raise UsageError(f"there is no platform {id}; grader lti list shows them")
    return row


def _platform(session: Session, row: LtiPlatform) -> Platform:
    deployments = select(LtiDeployment.deployment).where(LtiDeployment.platform_id == row.id)
    return Platform(
        id=str(row.id),
        issuer=row.issuer,
        client_id=row.client_id,
        login_url=row.login_url,
        token_url=row.token_url,
        token_audience=row.token_audience,
        keys_url=row.keys_url,
        family=row.family,
        deployments=frozenset(session.scalars(deployments)),
        any_deployment=row.any_deployment,
        approved=row.approved_at is not None and row.blocked_at is None,
        blocked=row.blocked_at is not None,
        frames=tuple(row.frames.split()),
    )
