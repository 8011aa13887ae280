"""Answer deliveries over HTTP."""

import asyncio
from typing import Annotated, Any

import msgspec
from anyio.to_thread import run_sync
from litestar import Request, Response, post
from litestar.params import PathParameter

from grader.service.access import Access
from grader.service.capacity import Capacity
from grader.service.core import Service
from grader.service.urls import status_url
from grader.service.webhooks.inbound import (
    BODY_BYTES,
    RETRY_AFTER_S,
    Receipt,
    Refused,
    deliver,
)

MOST_BODIES, BODIES_EACH = 200, 50
"""Of more than _SMALL_BYTES that one process reads at once, and from one address: nobody knows who
sends a body before all of it has been signed for, and it may come as slowly as they like."""
_SMALL_BYTES = 64 * 1024
_BODY_S = 60


class Answer(msgspec.Struct, omit_defaults=True):
    """What the sender is told.

    Attributes:
        id: of the submission; the same for the same delivery.
        ignored: why a genuine delivery brought no submission.
        error: why it was refused.
    """

    id: str = ""
    status_url: str = ""
    ignored: str = ""
    error: str = ""


@post(
    "/hooks/submissions/{source:str}",
    opt={"access": Access.SIGNED},
    status_code=202,
    request_max_body_size=None,  # counted here: the limit is ours, and comes before any HMAC
)
async def receive(
    request: Request[Any, Any, Any],
    source: Annotated[str, PathParameter(description="name given to `grader webhook add`")],
) -> Response[Answer]:
    """Take a delivery in; the body is a signed `submission.created`, or a forge's push."""
    service: Service = request.app.state.service
    try:
        body = await _in_turn(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        receipt = await run_sync(deliver, service, source, headers, body)
    except Refused as refusal:
        service.metrics.deliveries.labels(refusal.status).inc()
        later = {"Retry-After": str(RETRY_AFTER_S)} if refusal.status == 503 else {}
        answer = Answer(error=str(refusal))
        return Response(answer, status_code=refusal.status, headers=later)
    service.metrics.deliveries.labels(202).inc()
    return Response(_told(service, receipt), status_code=202)


async def _in_turn(request: Request[Any, Any, Any]) -> bytes:
    """Read the raw body, a large one only while there is room for it: it may be a stranger's."""
    announced = request.headers.get("content-length", "")
    length = int(announced[:20]) if announced.isdecimal() else BODY_BYTES
    if length > BODY_BYTES:
        raise Refused(413, f"a body has at most {BODY_BYTES} bytes")
    if length <= _SMALL_BYTES:
        return await _timely(request)
    bodies: Capacity = request.app.state.bodies
    with bodies.room(request.client.host if request.client else "") as has_room:
        if not has_room:
            raise Refused(503, "too many long deliveries are on their way; send this again later")
        return await _timely(request)


async def _timely(request: Request[Any, Any, Any]) -> bytes:
    try:
        async with asyncio.timeout(_BODY_S):
            return await _body(request)
    except TimeoutError:
        raise Refused(503, f"it has not come within {_BODY_S} s; send this again later") from None


async def _body(request: Request[Any, Any, Any]) -> bytes:
    """Read the raw body, and no more of it than may be there."""
    chunks, total = [], 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > BODY_BYTES:
            raise Refused(413, f"a body has at most {BODY_BYTES} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _told(service: Service, receipt: Receipt) -> Answer:
    if receipt.submission is None:
        return Answer(ignored=receipt.ignored)
    return Answer(receipt.submission.id, status_url(service.settings, receipt.submission))


HANDLERS = [receive]
