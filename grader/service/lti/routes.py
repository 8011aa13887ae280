"""Answer platforms, and the browsers that carry their messages: /lti/..."""

import time
from collections.abc import Mapping
from typing import Any

import structlog
from anyio.to_thread import run_sync
from litestar import Request, Response, datastructures, get, post, route

from grader.service.access import Access
from grader.service.core import Service
from grader.service.lti import (
    key_store,
    keys,
    launch,
    login,
    registration,
    registry,
    sessions,
    tickets,
)
from grader.service.lti.login import Cookie, LoginRequest, Start, Ticket
from grader.service.lti.platform import Platform
from grader.service.lti.refusals import LaunchRefused
from grader.service.lti.sessions import Opened
from grader.service.lti.web import fields_of, lti_of, service_of, tool_of
from grader.service.pages.rendering import ANYWHERE, Pages, pages_of
from grader.service.tables import now

_log = structlog.get_logger()

Asked = Request[Any, Any, Any]
_SIGNED = {"access": Access.SIGNED}
_LOGIN_S = 12 * 3600


@route("/lti/login", http_method=["GET", "POST"], opt=_SIGNED, include_in_schema=False)
async def begin(request: Asked) -> Response[str]:
    """Send a browser on to sign in at its platform."""
    service = service_of(request.app)
    try:
        wanted = login.read_request(await fields_of(request))
        start = await run_sync(_begin, service, wanted)
    except LaunchRefused as refusal:
        return _refused(pages_of(request.app), refusal)
    cookie = login.login_cookie(service.settings.base_url, start.state)
    kept = _SetCookie(cookie, start.browser, max_age_s=int(login.VALID.total_seconds()))
    return _redirect(start.url, kept, status=302)


def _begin(service: Service, wanted: LoginRequest) -> Start:
    with service.database.transaction() as session:
        platform = registry.find(session, wanted)
        start = login.start(wanted, platform, tool_of(service).launch, now())
        tickets.keep(session, start.ticket)
        return start


@post("/lti/launch", opt=_SIGNED, include_in_schema=False)
async def arrive(request: Asked) -> Response[str]:
    """Take in a platform's signed message, and open what it is about."""
    service = service_of(request.app)
    try:
        fields = await fields_of(request)
        state, token = _state_and_token(fields)
        state_cookie = login.login_cookie(service.settings.base_url, state)
        browser = request.cookies.get(state_cookie.name, "")
        ticket, platform = await run_sync(_use_ticket, service, state, browser)
        claims = await lti_of(request.app).keys.verified(token, platform)
        opened = await run_sync(_open, service, claims, platform, ticket)
    except LaunchRefused as refusal:
        return _refused(pages_of(request.app), refusal)
    base_url = service.settings.base_url
    cookie = login.cookie(base_url, opened.cookie_name)
    ours = _SetCookie(cookie, opened.cookie, max_age_s=_LOGIN_S)
    used = _SetCookie(state_cookie, "", max_age_s=0)
    return _redirect(f"{base_url}{opened.path}", ours, used, status=303)


def _state_and_token(fields: Mapping[str, str]) -> tuple[str, str]:
    if fields.get("error"):
        words = f"{fields['error']} {fields.get('error_description', '')}"
        raise LaunchRefused("platform_error", f"the platform says: {words[:300]}")
    if not fields.get("state"):
        raise LaunchRefused("state_missing", "the message names no login")
    return fields["state"], fields.get("id_token", "")


def _use_ticket(service: Service, state: str, browser: str) -> tuple[Ticket, Platform]:
    with service.database.transaction() as session:
        ticket = tickets.use(session, state, browser)
        return ticket, registry.get(session, int(ticket.platform_id))


def _open(
    service: Service, claims: Mapping[str, Any], platform: Platform, ticket: Ticket
) -> Opened:
    with service.database.transaction() as session:
        registry.refuse_unapproved(registry.get(session, int(platform.id)))  # since the login
        tickets.refuse_used_nonce(session, claims.get("nonce"), ticket)
        found = launch.check(claims, platform, nonce=ticket.nonce, now_s=time.time())
        return sessions.open_launch(session, found, platform)


@get("/lti/jwks", opt={"access": Access.PUBLIC}, sync_to_thread=True)
def our_keys(request: Asked) -> Response[dict[str, Any]]:
    """Publish the keys that we sign with."""
    available = key_store.available(service_of(request.app).database)
    headers = {"Cache-Control": "public, max-age=600"}
    return Response(keys.published(available, now()), headers=headers)


@get("/lti/canvas.json", opt={"access": Access.PUBLIC}, sync_to_thread=False)
def canvas(request: Asked) -> dict[str, Any]:
    """Describe this tool in the form that Canvas takes for a developer key."""
    return registration.canvas_configuration(tool_of(service_of(request.app)))


def _refused(pages: Pages, refusal: LaunchRefused) -> Response[str]:
    _log.info("launch_refused", reason=refusal.reason, detail=refusal.detail)
    return pages.page(
        "refused",
        status=refusal.status,
        frames=ANYWHERE,
        title="This did not open",
        advice=refusal.advice,
        detail=refusal.detail,
        reason=refusal.reason,
    )


class _SetCookie(datastructures.Cookie):
    """A cookie as login.Cookie writes it: Litestar's own cannot be partitioned."""

    def __init__(self, cookie: Cookie, value: str, *, max_age_s: int) -> None:
        super().__init__(cookie.name)
        self.text = cookie.header(value, max_age_s=max_age_s)

    def to_encoded_header(self) -> tuple[bytes, bytes]:
        return b"set-cookie", self.text.encode()


def _redirect(url: str, *cookies: _SetCookie, status: int) -> Response[str]:
    headers = {"Location": url}
    return Response(
        "", status_code=status, headers=headers, cookies=list(cookies), media_type="text/plain"
    )


HANDLERS = [begin, arrive, our_keys, canvas]
