"""A platform of other people's making launches us, gives tokens, and takes scores."""

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import select

import reference
from grader.service.core import Service
from grader.service.lti import key_store, keys, registry
from grader.service.lti.platform import Platform
from grader.service.lti.platform_keys import PlatformKeys
from grader.service.lti.tables import LtiLink
from grader.service.lti.web import Lti
from grader.service.tables import now
from service.lti.course import Course
from service.lti.independent_platform import ISSUER, IndependentPlatform


@pytest.fixture
def independent(service: Service) -> IndependentPlatform:
    return IndependentPlatform(keys.published(key_store.available(service.database), now()))


@pytest.fixture
def registered(service: Service, independent: IndependentPlatform) -> int:
    platform = Platform(
        id="",
        issuer=ISSUER,
        client_id="c1",
        login_url=f"{ISSUER}/auth",
        token_url=f"{ISSUER}/token",
        token_audience=f"{ISSUER}/token",
        keys_url=f"{ISSUER}/keys",
        deployments=frozenset(["d1"]),
    )
    with service.database.transaction() as session:
        return registry.add(session, platform)


@pytest.fixture
def browser(
    app: Litestar, client: TestClient[Any], independent: IndependentPlatform, registered: int
) -> TestClient[Any]:
    calls = httpx.AsyncClient(transport=httpx.MockTransport(independent.respond))
    app.state.lti = Lti(calls, PlatformKeys(calls))
    return client


def launched(
    browser: TestClient[Any], independent: IndependentPlatform, *, choosing: bool
) -> httpx.Response:
    answer = browser.get(independent.login_url("u1"), follow_redirects=False)
    asked = httpx.Request("GET", answer.headers["location"])
    message = independent.message(asked, "u1", choosing=choosing)
    form = {"state": message["state"], "id_token": message["id_token"]}
    assert message["launch_url"] == "http://testserver.local/lti/launch"
    answer = browser.post("/lti/launch", data=form, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return browser.get(urlsplit(answer.headers["location"]).path)


def test_it_launches_us(
    browser: TestClient[Any], independent: IndependentPlatform, service: Service
) -> None:
    page = launched(browser, independent, choosing=False)
    assert page.status_code == 200 and "Algebra" in page.text
    with service.database.reading() as session:
        assert session.scalars(select(LtiLink.line_item)).one() == f"{ISSUER}/ags/7"


def test_it_takes_the_exercise_that_a_teacher_chose(
    browser: TestClient[Any], independent: IndependentPlatform
) -> None:
    page = launched(browser, independent, choosing=True)
    csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
    answer = browser.post(page.url.path, data={"csrf": csrf, "exercise": reference.DEFAULT})
    token = answer.text.split('name="JWT" value="')[1].split('"')[0]
    [item] = independent.library.validate_deeplinking_resp({"JWT": token})
    assert item["custom"] == {"exercise": reference.DEFAULT}


@pytest.fixture
def scored(course: Course, independent: IndependentPlatform, registered: int) -> Course:
    """The course, moved to the independent platform."""
    with course.link() as link:
        link.platform_id, link.line_item = registered, f"{ISSUER}/ags/7?a=1"
    course.lms.respond = independent.respond  # type: ignore[method-assign]
    return course


def test_it_gives_a_token_and_takes_the_score(
    scored: Course, independent: IndependentPlatform
) -> None:
    scored.judge("u1", 70)
    scored.send()
    assert independent.grades["u1"]["scoreGiven"] == 70
    assert independent.statuses == [200]


def test_its_409_is_read_back_and_its_404_is_parked(
    scored: Course, independent: IndependentPlatform
) -> None:
    scored.judge("u1", 70)
    scored.send()
    independent.grades["u1"] |= {"timestamp": "2999-01-01T00:00:00.000+00:00", "scoreGiven": 90}
    scored.judge("u1", 90)
    scored.send()
    assert independent.statuses == [200, 409, 200]
    assert scored.row("u1").step == "done"
    independent.columns.clear()
    scored.judge("u2", 50)
    scored.send()
    row = scored.row("u2")
    assert row.step == "parked" and "404" in row.problem
