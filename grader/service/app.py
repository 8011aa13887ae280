"""Put routes, guard and headers together into one ASGI application."""

from collections.abc import Sequence

from litestar import Litestar, Router
from litestar.datastructures import MutableScopeHeaders, State
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.types import ControllerRouterHandler, Message, Scope

from grader import __version__
from grader.service import access, routes
from grader.service.core import Service

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Pages of their own relax these by name."""


def create_app(service: Service, *, handlers: Sequence[ControllerRouterHandler] = ()) -> Litestar:
    """Return the application.

    Args:
        handlers: routes of other rooms; each declares its `access`.
    """
    app = Litestar(
        [*routes.HANDLERS, *handlers],
        guards=[access.guard],
        state=State({"service": service}),
        before_send=[_with_headers],
        logging_config=None,
        openapi_config=_described(),
    )
    access.refuse_undeclared(app)
    return app


async def _with_headers(message: Message, scope: Scope) -> None:
    """Add the headers to whatever is answered, errors too."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)


def _described() -> OpenAPIConfig:
    """Describe the routes at /openapi/openapi.json, without pages that load scripts from afar."""
    return OpenAPIConfig(
        title="nnx-grader",
        version=__version__,
        openapi_router=Router("/openapi", route_handlers=[], opt={"access": access.Access.PUBLIC}),
        render_plugins=[JsonRenderPlugin()],
    )
