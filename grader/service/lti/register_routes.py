"""Register at a platform whose administrator opened our address from there."""

from typing import Any

import structlog
from anyio.to_thread import run_sync
from litestar import Request, Response, get

from grader.errors import UsageError
from grader.service.access import Access
from grader.service.core import Service
from grader.service.lti import registration, registry
from grader.service.lti.fetching import Unanswered, exchange, get_json, json_of, words_of
from grader.service.lti.platform import Platform
from grader.service.lti.refusals import LaunchRefused
from grader.service.lti.registration import Configuration
from grader.service.lti.web import Lti, fields_of, lti_of, service_of, tool_of
from grader.service.pages.rendering import ANYWHERE, Pages, pages_of

_log = structlog.get_logger()


@get("/lti/register", opt={"access": Access.SIGNED}, include_in_schema=False)
async def register(request: Request[Any, Any, Any]) -> Response[str]:
    """Read the platform's configuration, register there, and keep what comes back.

    Whoever calls this can make us ask one public address, by https, and gains a platform that
    nobody can launch from until the operator approves it.
    """
    service, lti = service_of(request.app), lti_of(request.app)
    try:
        fields = await fields_of(request)
        url, token = fields.get("openid_configuration", ""), fields.get("registration_token", "")
        if not url or not token.isascii() or not token.isprintable():
            raise UsageError(
                "open this from your platform: Moodle asks for it where tools are managed"
            )
        if lti.registrations.locked():
            raise UsageError("other registrations are under way: try again in a minute")
        async with lti.registrations:
            document = await _configuration(service, lti, url)
            found = registration.read_configuration(document, fetched_from=url)
            answer = await _post(service, lti, found, token)
        platform = await run_sync(_keep, service, found, answer)
    except (UsageError, Unanswered, LaunchRefused) as problem:
        _log.info("registration_failed", problem=str(problem)[:500])
        return _failed(pages_of(request.app), str(problem))
    _log.info("registered", platform=platform.id, issuer=platform.issuer)
    return pages_of(request.app).page(
        "registered",
        frames=ANYWHERE,
        script="close.js",
        issuer=platform.issuer,
        client_id=platform.client_id,
        approved=platform.approved,
        id=platform.id,
    )


async def _configuration(service: Service, lti: Lti, url: str) -> Any:
    """Fetch a platform's configuration.

    The address is a stranger's: what lies there, and where, is for the log alone. By http it could
    be anything in the networks around us; by https it is a host that somebody vouches for.
    """
    if service.settings.base_url.startswith("https://") and not url.startswith("https://"):
        raise UsageError("a platform registers this tool by https alone")
    try:
        return await get_json(lti.client, url)
    except Unanswered as problem:
        _log.info("no_configuration", problem=problem.text)
        said = "no answer" if problem.status is None else f"HTTP {problem.status}"
        raise UsageError(
            f"the platform's configuration cannot be had ({said}); the grader's log says more"
        ) from None


async def _post(service: Service, lti: Lti, found: Configuration, token: str) -> Any:
    """Register at the platform and return its answer."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    asked = registration.request(tool_of(service), found)
    response = await exchange(lti.client, "POST", found.register_url, json=asked, headers=headers)
    if response.status_code not in (200, 201):
        raise Unanswered(f"the platform refused: {words_of(response)}")
    return json_of(response)


def _keep(service: Service, found: Configuration, answer: Any) -> Platform:
    is_trusted = found.issuer in service.settings.lti_issuers
    approved = is_trusted and registration.speaks_for_its_issuer(found)
    platform = registration.registered(found, answer, id="", approved=approved)
    with service.database.transaction() as session:
        return registry.get(session, registry.add(session, platform))


def _failed(pages: Pages, problem: str) -> Response[str]:
    return pages.page(
        "refused",
        status=400,
        frames=ANYWHERE,
        script="close.js",
        title="Registration",
        advice="This tool could not be registered.",
        detail=problem,
        reason="registration",
    )


HANDLERS = [register]
