"""Whoever asks too often is told to wait; others, deliveries and probes are not."""

import asyncio
import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from litestar import Litestar, get
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.testing import TestClient
from litestar.types import Guard

from grader.service import limits
from grader.service.app import create_app
from grader.service.core import Service
from grader.service.dispatch import NoDispatch
from grader.service.limits import RequestLimit, belongs_to
from grader.service.submissions import Incoming, accept


@pytest.fixture
def kind() -> str:
    return "sqlite"


@get("/page", sync_to_thread=False)
def page() -> str:
    return "x"


async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Take for known whoever names a user."""
    if user := connection.headers.get("user"):
        belongs_to(connection, user)


def ask(limit: RequestLimit, address: str, user: str = "", guard: Guard = guard) -> httpx.Response:
    """Ask for the page from an address."""

    async def asked() -> httpx.Response:
        app = Litestar([page], middleware=[limit], guards=[guard])
        transport = httpx.ASGITransport(app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.get("/page", headers={"user": user} if user else {})

    return asyncio.run(asked())


def statuses(limit: RequestLimit, count: int, user: str = "") -> list[int]:
    """Ask so many times from one address."""
    return [ask(limit, "203.0.113.5", user).status_code for _ in range(count)]


def test_an_address_is_refused_above_its_number_until_the_next_minute() -> None:
    now = [30.0]
    limit = RequestLimit(3, clock=lambda: now[0])
    answers = [ask(limit, "203.0.113.5") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].headers["retry-after"] == "31"
    assert ask(limit, "203.0.113.6").status_code == 200
    now[0] = 61.0
    assert ask(limit, "203.0.113.5").status_code == 200


def test_a_class_behind_one_address_is_not_counted_as_one() -> None:
    limit = RequestLimit(2, clock=lambda: 0.0)
    assert statuses(limit, 5, "alice") == statuses(limit, 5, "bob") == [200] * 5
    assert statuses(limit, 3) == [200, 200, 429], "strangers have all of what the address may"


def test_a_user_who_asks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_EACH", 3)
    now = [30.0]
    limit = RequestLimit(2, clock=lambda: now[0])
    assert statuses(limit, 6, "alice") == [200, 200, 200, 200, 200, 429]
    now[0] = 61.0
    assert statuses(limit, 6, "alice") == [200, 200, 200, 200, 200, 429]


def test_what_began_in_the_minute_before_takes_nothing_from_this_one() -> None:
    now = [30.0]
    limit = RequestLimit(1, clock=lambda: now[0])

    async def slow(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        now[0] = 61.0
        with ThreadPoolExecutor(1) as elsewhere:
            assert elsewhere.submit(statuses, limit, 1).result() == [200]
        belongs_to(connection, "alice")

    assert ask(limit, "203.0.113.5", "alice", slow).status_code == 200
    assert statuses(limit, 1) == [429]


def test_an_ipv6_network_is_one_address() -> None:
    limit = RequestLimit(1, clock=lambda: 0.0)
    networks = ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")
    assert [ask(limit, one).status_code for one in networks] == [200, 429, 200]


@pytest.mark.usefixtures("no_new_minute")
def test_deliveries_and_probes_are_not_counted(service: Service) -> None:
    settings = dataclasses.replace(service.settings, requests_per_minute=2)
    with TestClient(create_app(dataclasses.replace(service, settings=settings))) as client:
        for _ in range(5):
            assert client.post("/hooks/submissions/nobody").status_code == 404
            assert client.get("/healthz").status_code == 200
        assert [client.get("/submissions/none").status_code for _ in range(3)] == [404, 404, 429]


@pytest.mark.usefixtures("no_new_minute")
def test_whoever_holds_a_submissions_token_is_known(
    service: Service, incoming: Callable[..., Incoming]
) -> None:
    with service.database.transaction() as session:
        mine = accept(session, incoming(), NoDispatch())
    settings = dataclasses.replace(service.settings, requests_per_minute=2)
    with TestClient(create_app(dataclasses.replace(service, settings=settings))) as client:

        def asked(token: str) -> int:
            return client.get(f"/submissions/{mine.id}", params={"token": token}).status_code

        assert [asked(mine.token) for _ in range(5)] == [200] * 5
        assert [asked("guessed") for _ in range(3)] == [404, 404, 429]
