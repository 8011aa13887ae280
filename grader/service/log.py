"""Write logs as JSON lines: what happened, to which id; never code, messages or secrets."""

import logging
import sys
import time
from typing import Any

import structlog
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

_QUIET = ("httpx", "httpcore", "alembic", "procrastinate", "uvicorn.access")


def configure() -> None:
    """Send structlog's and the libraries' own lines to standard error."""
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class AccessLog(ASGIMiddleware):
    """Logs each request without its query, which may hold a token."""

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass the request on and log its answer."""
        if scope["type"] != ScopeType.HTTP:
            await next_app(scope, receive, send)
            return
        log, started, status = structlog.get_logger(), time.monotonic(), 0
        method = str(scope.get("method", ""))

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await next_app(scope, receive, sent)
        finally:
            log.info(
                "request",
                method=method,
                path=scope["path"][:200],
                status=status,
                seconds=round(time.monotonic() - started, 4),
            )
