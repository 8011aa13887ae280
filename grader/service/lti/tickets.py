"""Keep logins under way; each becomes one launch, whatever arrives twice."""

import re
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from grader.service.lti.login import Ticket, check_ticket, hashed
from grader.service.lti.refusals import LaunchRefused
from grader.service.lti.tables import LtiTicket
from grader.service.tables import now

_NONCE = re.compile(r"[A-Za-z0-9_-]{1,100}")
_REMEMBER = timedelta(hours=1)
"""How long one that has ended is known, so that whoever goes back reads why it does not open: not
longer, for anybody can begin one, 1200 a minute from each address."""


def keep(session: Session, ticket: Ticket) -> None:
    """Insert a login under way, and drop what has long ended."""
    session.execute(delete(LtiTicket).where(LtiTicket.expires_at < now() - _REMEMBER))
    session.add(
        LtiTicket(
            state_sha256=ticket.state_sha256,
            browser_sha256=ticket.browser_sha256,
            nonce=ticket.nonce,
            platform_id=int(ticket.platform_id),
            expires_at=ticket.expires_at,
        )
    )


def use(session: Session, state: str, browser: str) -> Ticket:
    """Return the login of a state and use it up, whether or not the launch is accepted.

    Raises:
        LaunchRefused: there is none, it is over or used, or began in another browser.
    """
    row = session.get(LtiTicket, hashed(state))
    ticket = check_ticket(None if row is None else _ticket(row), browser, now())
    mine = update(LtiTicket).where(
        LtiTicket.state_sha256 == ticket.state_sha256, LtiTicket.used_at.is_(None)
    )
    result: Any = session.execute(mine.values(used_at=now()))
    if result.rowcount != 1:  # the same form arrived twice at once
        raise LaunchRefused("state_used", "this launch has been opened before")
    return ticket


def refuse_used_nonce(session: Session, nonce: object, ticket: Ticket) -> None:
    """Refuse a token that belongs to another launch, which it opened before.

    Raises:
        LaunchRefused: it does.
    """
    if not isinstance(nonce, str) or nonce == ticket.nonce or not _NONCE.fullmatch(nonce):
        return
    rows = select(LtiTicket).where(LtiTicket.nonce == nonce, LtiTicket.used_at.is_not(None))
    if session.scalars(rows).first() is not None:
        raise LaunchRefused("nonce_used", "this id_token opened another launch before")


def _ticket(row: LtiTicket) -> Ticket:
    return Ticket(
        state_sha256=row.state_sha256,
        browser_sha256=row.browser_sha256,
        nonce=row.nonce,
        platform_id=str(row.platform_id),
        expires_at=row.expires_at,
        used=row.used_at is not None,
    )
