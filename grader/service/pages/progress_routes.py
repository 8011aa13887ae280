"""Tell how far a submission is: as a stream of events, and for whom none arrive, when asked.

Each stream looks into the database by itself, so it does not matter which process takes a request,
nor which one grades. A proxy may hold a stream back until it ends: the page then asks every few
seconds, until the first event shows that streams do arrive. Where a process has streams enough, the
one event of another has the page ask as well.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import anyio
from anyio.to_thread import run_sync
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import ServerSentEvent, ServerSentEventMessage
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from grader.service.access import NOT_YOURS, Access
from grader.service.lti.web import service_of
from grader.service.pages.attempts import FINAL, Place, of_its_user, one_of, place_of
from grader.service.pages.rendering import pages_of, policy
from grader.service.pages.standing import standing
from grader.service.pages.visit import Visit

Asked = Request[Any, Any, Any]
EVERY_S = 1.0
FAR_S = 5.0
"""Between looks at a submission with more than NEAR before it: a class that waits looks seldom."""
NEAR = 5
QUIET_S = 15.0
"""A comment after so long: proxies end what is silent, and a browser that is gone is noticed."""
LONGEST_S = 600.0
"""Then the browser asks again, and the guard looks at its session again."""


@get(
    "/links/{link_id:str}/submissions/{submission_id:str}/progress",
    opt={"access": Access.LINK_SUBMISSION},
    sync_to_thread=True,
)
def progress(
    request: Asked,
    visit: NamedDependency[Visit],
    submission_id: FromPath[str],
    seen: FromQuery[str] = "",
) -> Response[str]:
    """Return how far a submission is, or nothing (204) while that is what was seen."""
    place, text = _look(request, visit, submission_id, seen, asks=True)
    headers = {"Content-Security-Policy": policy(visit.frames)}
    status = 204 if place.key == seen else 200
    return Response(text, status_code=status, media_type="text/html", headers=headers)


@get(
    "/links/{link_id:str}/submissions/{submission_id:str}/events",
    opt={"access": Access.LINK_SUBMISSION},
)
async def events(
    request: Asked, visit: NamedDependency[Visit], submission_id: FromPath[str]
) -> ServerSentEvent:
    """Stream how far a submission is, until it is graded; once, where there are streams enough."""

    def look(seen: str, *, asks: bool = False) -> tuple[Place, str]:
        return _look(request, visit, submission_id, seen, asks=asks)

    headers = {"Content-Security-Policy": policy(visit.frames)}
    state = request.app.state
    room = state.streams.room((visit.source, visit.user))
    stream = _if_room(room, look, state.draining.is_set)
    return ServerSentEvent(stream, headers=headers)


async def _if_room(
    room: AbstractContextManager[bool],
    look: Callable[..., tuple[Place, str]],
    is_draining: Callable[[], bool],
) -> AsyncIterator[ServerSentEventMessage]:
    """Yield a stream's events; without room for it, one that has the page ask, and the end."""
    with room as has_room:
        if has_room:
            async for message in _stream(look, is_draining):
                yield message
            return
    try:
        _, text = await run_sync(partial(look, "", asks=True))
    except (DBAPIError, NotFoundException):
        return  # the browser asks again, and is answered by the guard
    yield ServerSentEventMessage(text, event="progress")
    yield ServerSentEventMessage("", event="end")


async def _stream(
    look: Callable[..., tuple[Place, str]], is_draining: Callable[[], bool]
) -> AsyncIterator[ServerSentEventMessage]:
    """Yield what changes; end when nothing will, or when the process is to end."""
    seen, spoke_at, end = "", time.monotonic(), time.monotonic() + LONGEST_S
    while not is_draining() and time.monotonic() < end:
        try:
            place, text = await run_sync(look, seen)
        except (DBAPIError, NotFoundException):
            return  # the browser asks again, and is answered by the guard
        if place.key != seen:
            seen, spoke_at = place.key, time.monotonic()
            yield ServerSentEventMessage(text, event="progress")
        elif time.monotonic() - spoke_at > QUIET_S:
            spoke_at = time.monotonic()
            yield ServerSentEventMessage(data=None, comment="still there")
        if place.state in FINAL:
            yield ServerSentEventMessage("", event="end")
            return
        await anyio.sleep(EVERY_S if place.before <= NEAR else FAR_S)


def _look(
    request: Asked, visit: Visit, submission_id: str, seen: str, *, asks: bool
) -> tuple[Place, str]:
    """Return how far a submission is, and what shows it; "" where that is what was seen.

    Args:
        asks: whether what is shown asks again by itself.
    """
    with service_of(request.app).database.reading() as session:
        place = place_of(session, submission_id)
        if place is None:
            raise NotFoundException(NOT_YOURS)
        if place.key == seen:
            return place, ""
        ended = _ended(session, visit, submission_id) if place.state in FINAL else {}
    values = {"place": place, "id": submission_id, "asks": asks, **ended}
    return place, pages_of(request.app).part("progress", visit, **values)


def _ended(session: Session, visit: Visit, submission_id: str) -> dict[str, Any]:
    """Return what is shown of a submission to which nothing happens any more."""
    link = visit.placement
    listed, exercise = of_its_user(session, link, submission_id)
    found = one_of(listed, submission_id)
    if found is None:
        raise NotFoundException(NOT_YOURS)
    return {
        "attempt": found,
        "standing": standing(session, link, found.user, exercise=exercise),
    }


HANDLERS = [events, progress]
