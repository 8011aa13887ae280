"""Hold what the routes need beside the service, and read what browsers send to them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import httpx
from litestar import Litestar, Request

from grader.service.core import Service
from grader.service.lti import tokens, transport
from grader.service.lti.platform_keys import PlatformKeys
from grader.service.lti.refusals import LaunchRefused
from grader.service.lti.registration import Tool
from grader.service.settings import Settings

_MOST_BYTES = tokens.MOST_BYTES + 32 * 1024
"""Of a form: a token, and a state or the platform's hints; more would take long to decode."""
_MOST_FIELDS = 100
_REGISTRATIONS = 2
"""At once. Whoever asks for one chooses whom we call: names that take long to look up would take
all threads that look names up, and launches wait for those."""


@dataclass(frozen=True)
class Lti:
    """What calls platforms for the routes.

    Attributes:
        registrations: held by each that is under way.
    """

    client: httpx.AsyncClient
    keys: PlatformKeys
    registrations: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(_REGISTRATIONS)
    )


def open_lti(settings: Settings) -> Lti:
    """Return what the routes need."""
    client = transport.client(settings.allow_networks)
    return Lti(client, PlatformKeys(client))


async def close_lti(app: Litestar) -> None:
    """Close what is open."""
    await lti_of(app).client.aclose()


def lti_of(app: Litestar) -> Lti:
    """Return what `create_app` put into the application."""
    found: Lti = app.state.lti
    return found


def service_of(app: Litestar) -> Service:
    """Return the service."""
    found: Service = app.state.service
    return found


def tool_of(service: Service) -> Tool:
    """Return our addresses."""
    return Tool(base_url=service.settings.base_url)


async def fields_of(request: Request[Any, Any, Any]) -> Mapping[str, str]:
    """Return the fields of a form, or of the query of a GET; of two alike the last.

    Raises:
        LaunchRefused: it is longer than any of these, or no form.
    """
    if request.method == "GET":
        text = str(request.url.query)
    else:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BYTES:
                raise LaunchRefused("malformed", "the form is too long")
        text = body.decode("latin-1")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise LaunchRefused("malformed", "the form has too many fields") from None
    return dict(pairs)
