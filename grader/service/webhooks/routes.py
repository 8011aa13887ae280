"""Answer deliveries over HTTP."""

from typing import Annotated, Any

import msgspec
from anyio.to_thread import run_sync
from litestar import Request, Response, post
from litestar.params import PathParameter

from grader.service.access import Access
from grader.service.core import Service
from grader.service.urls import status_url
from grader.service.webhooks.inbound import (
    BODY_BYTES,
    RETRY_AFTER_S,
    Receipt,
    Refused,
    deliver,
)


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
        body = await _body(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        receipt = await run_sync(deliver, service, source, headers, body)
    except Refused as refusal:
        service.metrics.deliveries.labels(refusal.status).inc()
        later = {"Retry-After": str(RETRY_AFTER_S)} if refusal.status == 503 else {}
        answer = Answer(error=str(refusal))
        return Response(answer, status_code=refusal.status, headers=later)
    service.metrics.deliveries.labels(202).inc()
    return Response(_told(service, receipt), status_code=202)


async def _body(request: Request[Any, Any, Any]) -> bytes:
    """Read the raw body, and no more of it than may be there."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > BODY_BYTES:
        raise Refused(413, f"a body has at most {BODY_BYTES} bytes")
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
