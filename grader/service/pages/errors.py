"""Answer with a page when a page cannot be shown: what happened, and what to do now."""

from typing import Any, NamedTuple

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from sqlalchemy.exc import DBAPIError, TimeoutError

from grader.service.database import is_away
from grader.service.lti.refusals import AGAIN, FRAME
from grader.service.pages.rendering import ANYWHERE, pages_of
from grader.service.pages.visit import Visit

_log = structlog.get_logger()


class Said(NamedTuple):
    """What a page of an error says; `advice`: "" where the error's own text says what to do."""

    title: str
    advice: str = ""


_SAID = {
    400: Said("That could not be read", "Go back and try once more."),
    401: Said("Please open this again", AGAIN + FRAME),
    403: Said("Not from here"),
    404: Said("Nothing is here", "It may have been deleted, or it is not yours to see."),
    408: Said("That took too long", "Go back, and send it again."),
    413: Said("That is too much", "What you sent is larger than a submission may be."),
    429: Said("Too many at once"),
    503: Said("Try again in a minute", "Too much is going on. Nothing that you handed in is lost."),
}
_NOT_TAKEN = Said(
    "This was not taken",
    "Our database is away, or too much is going on. Go back, and send it again in a minute.",
)
"""A 503 of what was to change something: the form's content is nowhere but in the browser."""
_OURS = Said(
    "That is our fault", "Something broke on our side. Try again; tell your teacher if it stays."
)


def refused(request: Request[Any, Any, Any], error: HTTPException) -> Response[str]:
    """Answer what a guard or a handler refused."""
    return _page(request, error.status_code, error.detail, dict(error.headers or {}))


def database_failed(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
    """Ask to come back when the database is away; else it is a bug of ours."""
    if isinstance(error, DBAPIError) and not is_away(error):
        _log.error("statement_failed", error=type(error.orig).__name__, path=request.url.path)
        return _page(request, 500)
    return _page(request, 503, headers={"Retry-After": "5"})


def broke(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
    """Answer a bug of ours; the application has logged where it is."""
    return _page(request, 500)


def _page(
    request: Request[Any, Any, Any],
    status: int,
    detail: str = "",
    headers: dict[str, str] | None = None,
) -> Response[str]:
    visit: Visit | None = getattr(request.state, "visit", None)
    said = _said(request.method, status)
    answer = pages_of(request.app).page(
        "error",
        visit,
        status=status,
        frames=ANYWHERE,
        title=said.title,
        advice=said.advice or f"{detail[:1].upper()}{detail[1:]}.",
    )
    answer.headers.update(headers or {})
    return answer


def _said(method: str, status: int) -> Said:
    if status == 503 and method not in ("GET", "HEAD"):
        return _NOT_TAKEN
    return _SAID.get(status, _OURS)


HANDLERS: dict[Any, Any] = {
    HTTPException: refused,
    DBAPIError: database_failed,
    TimeoutError: database_failed,
    Exception: broke,
}
