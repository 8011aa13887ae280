"""Share a fake platform, registered at a service that calls it instead of the network."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from processes import PATIENCE_S

import reference
from grader.service.core import Service
from grader.service.lti import grades, key_store, keys, registry
from grader.service.lti.platform import Platform
from grader.service.lti.platform_keys import PlatformKeys
from grader.service.lti.tables import LtiLink
from grader.service.lti.web import Lti
from grader.service.submissions import Incoming
from grader.service.tables import now
from service.lti.course import Course
from service.lti.fake_gradebook import Gradebook
from service.lti.fake_platform import LTI, FakePlatform
from service.lti.served import asgi, certificate, serving
from service.ports import free_port

if TYPE_CHECKING:
    from playwright import sync_api as playwright


@pytest.fixture(params=["moodle"])
def lms(request: pytest.FixtureRequest, service: Service) -> FakePlatform:
    def tool_keys() -> dict[str, Any]:
        return keys.published(key_store.available(service.database), now())

    return FakePlatform(Gradebook(request.param), tool_keys=tool_keys)


def describe(lms: FakePlatform, **changes: Any) -> Platform:
    """Return the registration of the fake platform."""
    described = Platform(
        id="",
        issuer=lms.issuer,
        client_id=lms.client_id,
        login_url=f"{lms.issuer}/auth",
        token_url=f"{lms.issuer}/token",
        token_audience=f"{lms.issuer}/token",
        keys_url=f"{lms.issuer}/keys",
        family=lms.gradebook.dialect,
        deployments=frozenset([lms.deployment]),
    )
    return replace(described, **changes)


@pytest.fixture
def platform(lms: FakePlatform, service: Service) -> Platform:
    """The fake platform's registration."""
    described = describe(lms)
    with service.database.transaction() as session:
        return registry.get(session, registry.add(session, described))


@pytest.fixture
def app(app: Litestar, lms: FakePlatform) -> Litestar:
    """The application, whose calls to platforms reach the fake one."""
    client = httpx.AsyncClient(transport=httpx.MockTransport(lms.respond))
    app.state.lti = Lti(client, PlatformKeys(client))
    return app


@dataclass
class Browser:
    """Somebody's browser: it carries cookies, forms and redirects between the two sites."""

    client: TestClient[Any]
    lms: FakePlatform

    def begin(self, **fields: str) -> dict[str, str]:
        """Open a link in the course; return what the platform is asked."""
        asked = {"iss": self.lms.issuer, "login_hint": "h", "client_id": self.lms.client_id}
        answer = self.client.get("/lti/login", params=asked | fields, follow_redirects=False)
        assert answer.status_code == 302, answer.text
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        return {name: values[0] for name, values in query.items()}

    def post(self, state: str, token: str) -> httpx.Response:
        """Carry a signed message to the tool."""
        form = {"state": state, "id_token": token}
        return self.client.post("/lti/launch", data=form, follow_redirects=False)

    def launch(self, claims: Callable[[str], dict[str, Any]]) -> httpx.Response:
        """Go all the way; return the page that opens."""
        asked = self.begin()
        answer = self.post(asked["state"], self.lms.sign(claims(asked["nonce"])))
        assert answer.status_code == 303, answer.text
        opened = urlsplit(answer.headers["location"])
        return self.client.get(f"{opened.path}?{opened.query}")


@pytest.fixture
def tab(client: TestClient[Any], lms: FakePlatform, platform: Platform) -> Browser:
    return Browser(client, lms)


@pytest.fixture
def course(
    service: Service, lms: FakePlatform, platform: Platform, incoming: Callable[..., Incoming]
) -> Course:
    service = replace(service, listeners=(grades.plan,))
    lms.gradebook.columns["7"] = {}
    with service.database.transaction() as session:
        link = LtiLink(
            platform_id=int(platform.id),
            course="algebra",
            link="link-1",
            exercise=reference.DEFAULT,
            line_item=lms.line_item,
            seen_at=now(),
        )
        session.add(link)
        session.flush()
        return Course(service, lms, link.id, incoming)


@pytest.fixture
def served(
    app: Litestar, service: Service, lms: FakePlatform, tmp_path: Path
) -> Iterator[FakePlatform]:
    """The platform at localhost, the tool at 127.0.0.1: two sites, as in life."""
    platform_port, tool_port = free_port(), free_port()
    lms.issuer = f"https://localhost:{platform_port}"
    lms.tool = f"https://127.0.0.1:{tool_port}"
    object.__setattr__(service.settings, "base_url", lms.tool)
    claims = lms.claims
    lms.claims = lambda *a: (
        claims(*a)
        | {  # type: ignore[method-assign]
            LTI + "custom": {"exercise": reference.DEFAULT}
        }
    )
    with service.database.transaction() as session:
        registry.add(session, describe(lms))
    calls = httpx.AsyncClient(transport=httpx.MockTransport(lms.respond))
    app.state.lti = Lti(calls, PlatformKeys(calls))
    pem = certificate(tmp_path)
    with serving(asgi(lms.respond), platform_port, pem), serving(app, tool_port, pem):
        yield lms


@pytest.fixture
def zone() -> str:
    """The time zone of whoever looks."""
    return "UTC"


@pytest.fixture
def page(
    browser: "playwright.Browser", served: FakePlatform, zone: str
) -> "Iterator[playwright.Page]":
    """A page whose browser has nothing to complain of: no refused style, no failed file.

    It asks for the servers, so as to be closed before them: they wait 30 s for an open connection.
    """
    complaints: list[str] = []
    context = browser.new_context(ignore_https_errors=True, timezone_id=zone)
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE_S)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    # Chromium complains of a page that is answered with 422, as a form that was not filled in is.
    assert [one for one in complaints if "a status of 422" not in one] == []
