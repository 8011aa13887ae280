"""Whoever asks too often is told to wait; others, deliveries and probes are not."""

import asyncio
import dataclasses

import httpx
import pytest
from litestar import Litestar, get
from litestar.testing import TestClient

from grader.service.app import create_app
from grader.service.core import Service
from grader.service.limits import RequestLimit


@pytest.fixture
def kind() -> str:
    return "sqlite"


@get("/page", sync_to_thread=False)
def page() -> str:
    return "x"


def ask(limit: RequestLimit, address: str) -> httpx.Response:
    """Ask for the page from an address."""

    async def asked() -> httpx.Response:
        app = Litestar([page], middleware=[limit])
        transport = httpx.ASGITransport(app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.get("/page")

    return asyncio.run(asked())


def test_an_address_is_refused_above_its_number_until_the_next_minute() -> None:
    now = [30.0]
    limit = RequestLimit(3, clock=lambda: now[0])
    answers = [ask(limit, "203.0.113.5") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].headers["retry-after"] == "31"
    assert ask(limit, "203.0.113.6").status_code == 200
    now[0] = 61.0
    assert ask(limit, "203.0.113.5").status_code == 200


def test_an_ipv6_network_is_one_address() -> None:
    limit = RequestLimit(1, clock=lambda: 0.0)
    networks = ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")
    assert [ask(limit, one).status_code for one in networks] == [200, 429, 200]


def test_deliveries_and_probes_are_not_counted(service: Service) -> None:
    settings = dataclasses.replace(service.settings, requests_per_minute=2)
    with TestClient(create_app(dataclasses.replace(service, settings=settings))) as client:
        for _ in range(5):
            assert client.post("/hooks/submissions/nobody").status_code == 404
            assert client.get("/healthz").status_code == 200
        statuses = [client.get("/submissions/none").status_code for _ in range(3)]
        assert statuses == [404, 404, 429]
