"""Put routes, guard and headers together into one ASGI application."""

import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import structlog
from litestar import Litestar, Request, Response, Router
from litestar.datastructures import MutableScopeHeaders, State
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.types import ControllerRouterHandler, Message, Scope
from sqlalchemy.exc import DBAPIError, TimeoutError

from grader import __version__
from grader.descriptors import allowance
from grader.service import access, routes
from grader.service.capacity import STREAMS_EACH, Capacity
from grader.service.core import Service
from grader.service.database import is_away
from grader.service.limits import RequestLimit
from grader.service.log import AccessLog
from grader.service.lti.handlers import LTI_HANDLERS
from grader.service.lti.web import close_lti, open_lti
from grader.service.pages import forms, visits
from grader.service.pages.handlers import PAGE_HANDLERS
from grader.service.pages.rendering import Pages
from grader.service.pages.summaries import Summaries
from grader.service.reports import Reports
from grader.service.webhooks import routes as webhook_routes

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""A route that answers with a page sets its own policy."""

_log = structlog.get_logger()


def create_app(
    service: Service,
    *,
    handlers: Sequence[ControllerRouterHandler] = (),
    lifespan: Sequence[Callable[[Litestar], AbstractAsyncContextManager[None]]] = (),
) -> Litestar:
    """Return the application.

    Args:
        handlers: routes of other rooms; each declares its `access`.
        lifespan: what is started and stopped with it.
    """
    app = Litestar(
        [*routes.HANDLERS, *webhook_routes.HANDLERS, *LTI_HANDLERS, *PAGE_HANDLERS, *handlers],
        guards=[access.guard, visits.guard],
        state=State(_parts(service)),
        on_shutdown=[close_lti],
        lifespan=list(lifespan),
        middleware=[AccessLog(), RequestLimit(service.settings.requests_per_minute)],
        before_send=[_with_headers],
        after_exception=[_log_ours],
        exception_handlers={DBAPIError: _database_failed, TimeoutError: _database_failed},
        logging_config=None,
        openapi_config=_described(),
    )
    access.refuse_undeclared(app)
    return app


def _parts(service: Service) -> dict[str, Any]:
    settings = service.settings
    return {
        "service": service,
        "lti": open_lti(settings),
        "pages": Pages(settings),
        "reports": Reports(settings.feedback),
        "summaries": Summaries(),
        "draining": threading.Event(),
        "streams": Capacity(allowance() // 2, each=STREAMS_EACH),
        "bodies": Capacity(webhook_routes.MOST_BODIES, each=webhook_routes.BODIES_EACH),
        "uploads": Capacity(forms.UPLOADS_BYTES, each=forms.UPLOADS_EACH),
    }


async def _with_headers(message: Message, scope: Scope) -> None:
    """Add the headers to whatever is answered, errors too."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)


async def _log_ours(error: Exception, scope: Scope) -> None:
    """Log where a bug of ours is; not its message, which may quote what was sent."""
    if not isinstance(error, HTTPException | DBAPIError):
        frames = traceback.extract_tb(error.__traceback__)[-3:]
        where = [f"{frame.filename}:{frame.lineno}" for frame in frames]
        _log.error("bug", error=type(error).__name__, path=scope["path"][:200], where=where)


def _database_failed(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, str]]:
    """Ask the caller to come back when the database is away; else it is a bug of ours."""
    if isinstance(error, DBAPIError) and not is_away(error):
        _log.error("statement_failed", error=type(error.orig).__name__, path=request.url.path)
        return Response({"error": "internal error"}, status_code=500)
    headers = {"Retry-After": "5"}
    return Response({"error": "try again later"}, status_code=503, headers=headers)


def _described() -> OpenAPIConfig:
    """Describe the routes at /openapi/openapi.json, without pages that load scripts from afar."""
    return OpenAPIConfig(
        title="nnx-grader",
        version=__version__,
        openapi_router=Router("/openapi", route_handlers=[], opt={"access": access.Access.PUBLIC}),
        render_plugins=[JsonRenderPlugin()],
    )
