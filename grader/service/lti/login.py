"""Begin a launch: read a platform's login request, and send the browser on to sign in there."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlencode, urlsplit

from grader.service.lti.claims import is_storable
from grader.service.lti.platform import Platform
from grader.service.lti.refusals import LaunchRefused

VALID = timedelta(minutes=10)
"""How long somebody may take to sign in at the platform."""


@dataclass(frozen=True, kw_only=True)
class LoginRequest:
    """What a platform says when somebody opens a link."""

    issuer: str
    client_id: str
    deployment: str
    login_hint: str
    message_hint: str


@dataclass(frozen=True, kw_only=True)
class Cookie:
    """A cookie that survives being shown inside a frame of another site.

    Attributes:
        same_site: "none" needs https, so over plain http on this machine it is "lax".
        partitioned: kept apart by the site around the frame; browsers drop it otherwise.
    """

    name: str
    secure: bool
    same_site: Literal["none", "lax"]
    partitioned: bool

    def header(self, value: str, *, max_age_s: int) -> str:
        """Return the value of a Set-Cookie header."""
        parts = [f"{self.name}={value}", "Path=/", f"Max-Age={max_age_s}", "HttpOnly"]
        parts += [f"SameSite={self.same_site.capitalize()}"]
        parts += ["Secure"] if self.secure else []
        parts += ["Partitioned"] if self.partitioned else []
        return "; ".join(parts)


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """A login under way, as it is stored.

    Attributes:
        state_sha256, browser_sha256: of what the browser carries: the table alone opens nothing.
        used: whether a launch has been made of it.
    """

    state_sha256: str
    browser_sha256: str
    nonce: str
    platform_id: str
    expires_at: datetime
    used: bool = False


@dataclass(frozen=True, kw_only=True)
class Start:
    """A login that begins: what to store, what the browser keeps, where it goes."""

    ticket: Ticket
    state: str
    browser: str
    url: str


def read_request(fields: Mapping[str, str]) -> LoginRequest:
    """Return what a login request says.

    Raises:
        LaunchRefused: it does not name its platform or its user.
    """
    if not is_storable("".join(fields.values())):
        raise LaunchRefused("malformed", "the request holds what no platform sends")
    issuer, hint = fields.get("iss", ""), fields.get("login_hint", "")
    if not issuer or not hint:
        raise LaunchRefused("malformed", "iss or login_hint is missing: open this from a course")
    return LoginRequest(
        issuer=issuer,
        client_id=fields.get("client_id", ""),
        deployment=fields.get("lti_deployment_id", ""),
        login_hint=hint,
        message_hint=fields.get("lti_message_hint", ""),
    )


def start(request: LoginRequest, platform: Platform, redirect_uri: str, now: datetime) -> Start:
    """Begin a login at a platform."""
    state, browser, nonce = (secrets.token_urlsafe(32) for _ in range(3))
    query = {
        "scope": "openid",
        "response_type": "id_token",
        "response_mode": "form_post",
        "prompt": "none",
        "client_id": platform.client_id,
        "redirect_uri": redirect_uri,
        "login_hint": request.login_hint,
        "state": state,
        "nonce": nonce,
    }
    if request.message_hint:
        query["lti_message_hint"] = request.message_hint
    ticket = Ticket(
        state_sha256=hashed(state),
        browser_sha256=hashed(browser),
        nonce=nonce,
        platform_id=platform.id,
        expires_at=now + VALID,
    )
    joint = "&" if urlsplit(platform.login_url).query else "?"
    url = f"{platform.login_url}{joint}{urlencode(query)}"
    return Start(ticket=ticket, state=state, browser=browser, url=url)


def check_ticket(ticket: Ticket | None, browser: str, now: datetime) -> Ticket:
    """Return the login that a launch answers, when it may.

    Args:
        ticket: the stored login of the launch's state, if there is one.
        browser: value of this login's cookie; "" when the browser sent none.

    Raises:
        LaunchRefused: there is none, it is over or used, or began in another browser.
    """
    if ticket is None:
        raise LaunchRefused("state_unknown", "no login with this state began here")
    if ticket.used:
        raise LaunchRefused("state_used", "this launch has been opened before")
    if ticket.expires_at <= now:
        raise LaunchRefused("state_expired", "the login began more than ten minutes ago")
    if not hmac.compare_digest(hashed(browser), ticket.browser_sha256):
        sent = "another login's cookie" if browser else "no cookie of this login"
        raise LaunchRefused("other_browser", f"the browser sent {sent}")
    return ticket


def hashed(secret: str) -> str:
    """Return the form in which a secret of the browser is stored."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def login_cookie(base_url: str, state: str) -> Cookie:
    """Return the cookie of one login; each has its own, so that two tabs do not disturb."""
    return cookie(base_url, f"lti-{hashed(state)[:16]}")


def cookie(base_url: str, name: str) -> Cookie:
    """Return a cookie for this service's address."""
    secure = base_url.startswith("https://")
    return Cookie(
        name=f"__Host-{name}" if secure else name,
        secure=secure,
        same_site="none" if secure else "lax",
        partitioned=secure,
    )
