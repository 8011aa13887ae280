"""Launches through the whole application, as a browser makes them; the forged ones refused."""

import asyncio
import dataclasses
import re
import socket
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from processes import PATIENCE_S
from sqlalchemy import select, update

import reference
from grader.errors import UsageError
from grader.service.core import Service
from grader.service.lti import registry, transport
from grader.service.lti.ags import store
from grader.service.lti.fetching import get_json
from grader.service.lti.platform import Platform
from grader.service.lti.platform_keys import PlatformKeys
from grader.service.lti.tables import LtiGrade, LtiGradeStep, LtiLink, LtiPlatform, LtiTicket
from grader.service.lti.tokens import usable_keys
from grader.service.lti.web import Lti
from grader.service.pages.visit import PREFIX
from grader.service.tables import Login, now
from service.lti.conftest import Browser, describe
from service.lti.course import Course
from service.lti.fake_platform import AGS, DEEP, LTI, FakePlatform, new_key, unsigned
from service.lti.fake_platform import signed_with_public_key as signed_with_public

EXERCISE = reference.DEFAULT


def exercise_of(claims: dict[str, Any], name: str = EXERCISE) -> dict[str, Any]:
    return claims | {LTI + "custom": {"exercise": name}}


def test_a_student_is_launched_into_the_exercise_of_the_link(
    tab: Browser, service: Service, platform: Platform
) -> None:
    page = tab.launch(lambda nonce: exercise_of(tab.lms.claims(nonce)))
    assert page.status_code == 200
    assert "What to do" in page.text and "Staff view" not in page.text
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors https://lms.example" in policy and "script-src 'self';" in policy
    with service.database.reading() as session:
        login = session.scalars(select(Login)).one()
        link = session.scalars(select(LtiLink)).one()
    assert (login.source, login.course, login.user) == (f"lti:{platform.id}", "course-1", "u1")
    assert login.role == "student"
    assert (link.exercise, link.line_item) == (EXERCISE, tab.lms.line_item)
    assert "scope/score" in link.scopes


def test_hosts_that_the_operator_named_may_show_a_launch(
    tab: Browser, service: Service, platform: Platform
) -> None:
    with service.database.transaction() as session:
        registry.set_frames(session, int(platform.id), ["https://apps.lms.example"])
    page = tab.launch(lambda nonce: exercise_of(tab.lms.claims(nonce)))
    policy = page.headers["content-security-policy"]
    assert policy.endswith("frame-ancestors https://apps.lms.example https://lms.example")


def test_another_exercise_of_a_link_replaces_the_one_before_and_sends_nothing(
    tab: Browser, course: Course
) -> None:
    def launched(exercise: str) -> None:
        here = {LTI + "context": {"id": "algebra"}}
        tab.launch(lambda nonce: exercise_of(tab.lms.claims(nonce), exercise) | here)
        with course.link() as link:
            assert link.exercise == exercise

    for exercise, points in ((EXERCISE, 80), ("basic_block", 20)):
        launched(exercise)
        course.judge("u1", points)
    launched(EXERCISE)
    assert store.read(course.row("u1")).wanted.given == 20, "nobody has seen that it would be 80"


SIGNED = f"{'a1' * 32}:::algebra:::content:5"
"""A placement, as Sakai writes it into an address."""


@pytest.mark.parametrize(
    ("now_at", "rows"),
    [
        (f"/lti13/lineitems/{SIGNED}/12", 1),
        (f"/lti13/lineitems/{SIGNED[::-1]}/12", 2),
        (f"/other/lineitems/{SIGNED}/12", 2),
    ],
)
def test_a_column_that_sakai_made_at_the_first_score_is_the_one_it_was(
    tab: Browser, course: Course, now_at: str, rows: int
) -> None:
    before, after = f"{tab.lms.issuer}/lti13/lineitem/{SIGNED}", f"{tab.lms.issuer}{now_at}"
    for line_item in (before, after):
        here = {LTI + "context": {"id": "algebra"}, AGS + "claim/endpoint": {"lineitem": line_item}}
        tab.launch(lambda nonce, here=here: exercise_of(tab.lms.claims(nonce)) | here)
        if line_item == before:
            course.judge("u1", 70)
    with course.service.database.reading() as session:
        kept = session.scalars(select(LtiGrade).order_by(LtiGrade.id)).all()
        assert len(kept) == rows and kept[-1].line_item == after
        assert len(session.scalars(select(LtiGradeStep)).all()) == rows, "decided once a column"
    course.judge("u1", 90)
    with course.service.database.reading() as session:
        [grade] = session.scalars(select(LtiGrade).where(LtiGrade.line_item == after))
        assert store.read(grade).wanted.given == 90


def test_a_teacher_is_staff(tab: Browser, service: Service) -> None:
    page = tab.launch(lambda nonce: tab.lms.claims(nonce, "t", "Instructor"))
    assert "Staff view" in page.text and "is not installed here" in page.text
    with service.database.reading() as session:
        assert session.scalars(select(Login.role)).one() == "staff"


def test_a_review_leads_staff_to_the_student_and_a_student_to_their_own(tab: Browser) -> None:
    review = {LTI + "message_type": "LtiSubmissionReviewRequest"}
    review |= {LTI + "for_user": {"user_id": "u 1&x=<b>"}}
    page = tab.launch(lambda nonce: tab.lms.claims(nonce, "t", "Instructor") | review)
    assert page.status_code == 200 and "Student u 1&amp;x=&lt;b&gt;" in page.text
    page = tab.launch(lambda nonce: tab.lms.claims(nonce) | review)
    assert page.status_code == 200 and "Staff view" not in page.text and "u 1" not in page.text


def test_another_login_does_not_see_a_launch(
    tab: Browser, app: Litestar, client: TestClient[Any]
) -> None:
    asked = tab.begin()
    answer = tab.post(asked["state"], tab.lms.sign(tab.lms.claims(asked["nonce"])))
    path = urlsplit(answer.headers["location"]).path
    other = Browser(TestClient(app), tab.lms)
    elsewhere = {LTI + "resource_link": {"id": "link-2"}}
    other.launch(lambda nonce: tab.lms.claims(nonce, "u2") | elsewhere)
    assert other.client.get(path).status_code == 401
    assert client.get(path).status_code == 200


def refused(answer: httpx.Response, reason: str, status: int = 401) -> None:
    assert answer.status_code == status
    assert f"({reason})" in answer.text, answer.text
    assert PREFIX not in answer.headers.get("set-cookie", "")


Forgery = Callable[[FakePlatform, dict[str, Any]], str]
FORGERIES: dict[str, Forgery] = {
    "signature": lambda lms, claims: lms.sign(claims, new_key(lms.key.kid, 1)),
    "algorithm": lambda lms, claims: unsigned(claims),
    "expired": lambda lms, claims: lms.sign(claims | {"exp": claims["iat"] - 1}),
    "issued_in_future": lambda lms, claims: lms.sign(claims | {"iat": claims["iat"] + 60}),
    "audience": lambda lms, claims: lms.sign(claims | {"aud": "another"}),
    "authorized_party": lambda lms, claims: lms.sign(claims | {"aud": ["tool-1", "another"]}),
    "issuer": lambda lms, claims: lms.sign(claims | {"iss": "https://evil.example"}),
    "nonce_unknown": lambda lms, claims: lms.sign(claims | {"nonce": "made-up"}),
    "deployment": lambda lms, claims: lms.sign(claims | {LTI + "deployment_id": "2"}),
    "version": lambda lms, claims: lms.sign(claims | {LTI + "version": "1.0"}),
    "message_type": lambda lms, claims: lms.sign(claims | {LTI + "message_type": "Basic"}),
    "key_unknown": lambda lms, claims: lms.sign(claims, new_key("k77")),
}


@pytest.mark.parametrize("reason", FORGERIES)
def test_a_forged_launch_is_refused_for_its_own_reason(tab: Browser, reason: str) -> None:
    asked = tab.begin()
    claims = tab.lms.claims(asked["nonce"])
    refused(tab.post(asked["state"], FORGERIES[reason](tab.lms, claims)), reason)
    # and the login is used up by it
    refused(tab.post(asked["state"], tab.lms.sign(claims)), "state_used")


def test_the_public_key_taken_for_a_secret_is_refused(tab: Browser) -> None:
    asked = tab.begin()
    token = signed_with_public(tab.lms.claims(asked["nonce"]), tab.lms.key)
    refused(tab.post(asked["state"], token), "algorithm")


def test_a_replayed_launch_asks_to_open_it_again(tab: Browser) -> None:
    asked = tab.begin()
    token = tab.lms.sign(tab.lms.claims(asked["nonce"]))
    assert tab.post(asked["state"], token).status_code == 303
    answer = tab.post(asked["state"], token)
    refused(answer, "state_used")
    assert "Open this again from your course." in answer.text
    assert "frame-ancestors *" in answer.headers["content-security-policy"]


def test_a_token_of_an_earlier_launch_is_refused_in_a_new_login(tab: Browser) -> None:
    first = tab.begin()
    token = tab.lms.sign(tab.lms.claims(first["nonce"]))
    assert tab.post(first["state"], token).status_code == 303
    answer = tab.post(tab.begin()["state"], token)
    refused(answer, "nonce_used")
    assert "Open this again from your course." in answer.text


def test_a_launch_in_another_browser_is_refused_and_does_not_use_it_up(
    tab: Browser, app: Litestar
) -> None:
    asked = tab.begin()
    token = tab.lms.sign(tab.lms.claims(asked["nonce"]))
    stranger = Browser(TestClient(app), tab.lms)
    refused(stranger.post(asked["state"], token), "other_browser")
    stranger.begin()
    refused(stranger.post(asked["state"], token), "other_browser")
    assert tab.post(asked["state"], token).status_code == 303


def test_an_unknown_or_expired_state_is_refused(tab: Browser, service: Service) -> None:
    asked = tab.begin()
    token = tab.lms.sign(tab.lms.claims(asked["nonce"]))
    refused(tab.post("made-up", token), "state_unknown")
    refused(tab.post("", token), "state_missing")
    with service.database.transaction() as session:
        session.execute(update(LtiTicket).values(expires_at=now()))
    refused(tab.post(asked["state"], token), "state_expired")


def test_a_login_that_ended_is_forgotten_after_an_hour(tab: Browser, service: Service) -> None:
    """Anybody can begin logins, 1200 a minute and address."""
    old = tab.begin()
    with service.database.transaction() as session:
        session.execute(update(LtiTicket).values(expires_at=now() - timedelta(minutes=61)))
    tab.begin()
    with service.database.reading() as session:
        assert len(session.scalars(select(LtiTicket)).all()) == 1
    refused(tab.post(old["state"], tab.lms.sign(tab.lms.claims(old["nonce"]))), "state_unknown")


def test_two_tabs_log_in_side_by_side(tab: Browser) -> None:
    first, second = tab.begin(), tab.begin()
    for asked in (first, second):
        token = tab.lms.sign(tab.lms.claims(asked["nonce"]))
        assert tab.post(asked["state"], token).status_code == 303


def test_what_the_platform_says_went_wrong_is_shown(tab: Browser) -> None:
    form = {"error": "login_required", "error_description": "<b>gone</b>", "state": "x"}
    answer = tab.client.post("/lti/launch", data=form)
    refused(answer, "platform_error")
    assert "login_required &lt;b&gt;gone" in answer.text


def test_login_may_be_posted_and_a_platform_that_is_not_approved_does_not_open(
    tab: Browser, service: Service
) -> None:
    form = {"iss": tab.lms.issuer, "login_hint": "h"}
    answer = tab.client.post("/lti/login", data=form, follow_redirects=False)
    assert answer.status_code == 302
    with service.database.transaction() as session:
        session.execute(update(LtiPlatform).values(approved_at=None))
    answer = tab.client.post("/lti/login", data=form, follow_redirects=False)
    refused(answer, "platform_not_approved")
    assert "grader lti approve" in answer.text
    unknown = tab.client.get("/lti/login", params={"iss": "x", "login_hint": "h"})
    refused(unknown, "platform_unknown", 404)


def test_who_was_launched_by_a_platform_that_is_shut_out_is_signed_out(
    tab: Browser, service: Service, platform: Platform
) -> None:
    page = tab.launch(lambda nonce: exercise_of(tab.lms.claims(nonce)))
    under_way = tab.begin()
    with service.database.transaction() as session:
        registry.block(session, int(platform.id))
    assert tab.client.get(page.url.path).status_code == 401
    token = tab.lms.sign(tab.lms.claims(under_way["nonce"]))
    refused(tab.post(under_way["state"], token), "platform_not_approved")
    form = {"iss": tab.lms.issuer, "login_hint": "h"}
    refused(tab.client.post("/lti/login", data=form), "platform_not_approved")
    with service.database.transaction() as session:
        registry.approve(session, int(platform.id))
    assert tab.launch(lambda nonce: exercise_of(tab.lms.claims(nonce))).status_code == 200


def test_a_registration_that_was_shut_out_stays_that(
    client: TestClient[Any], lms: FakePlatform, service: Service
) -> None:
    client.get("/lti/register", params=registering(lms))
    with service.database.transaction() as session:
        registry.block(session, 1)
        for number in range(101):
            registry.add(session, describe(lms, client_id=f"more-{number}", approved=False))
    again = client.get("/lti/register", params=registering(lms))
    assert again.status_code == 400 and "registered already, as platform 1" in again.text


def test_who_registers_in_a_platforms_name_keeps_nobody_of_it_out(
    tab: Browser, service: Service
) -> None:
    with service.database.transaction() as session:
        for number in (1, 2):
            registry.add(session, describe(tab.lms, client_id=f"mallory-{number}", approved=False))
    form = {"iss": tab.lms.issuer, "login_hint": "h"}  # not every platform says its client id
    answer = tab.client.post("/lti/login", data=form, follow_redirects=False)
    assert answer.status_code == 302 and tab.lms.client_id in answer.headers["location"]
    form["client_id"] = "mallory-1"
    refused(tab.client.post("/lti/login", data=form), "platform_not_approved")


def test_a_platform_without_a_named_deployment_gets_each_kept(
    tab: Browser, service: Service, platform: Platform
) -> None:
    with service.database.transaction() as session:
        session.execute(update(LtiPlatform).values(any_deployment=True))
    tab.launch(lambda nonce: tab.lms.claims(nonce) | {LTI + "deployment_id": "8"})
    with service.database.reading() as session:
        assert registry.get(session, int(platform.id)).deployments == {"1", "8"}


def choosing(page: httpx.Response) -> tuple[str, dict[str, str]]:
    """Return where a choice is posted to, and the form with an exercise chosen."""
    csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
    return page.url.path, {"csrf": csrf, "exercise": EXERCISE}


def answered(tab: Browser, answer: httpx.Response) -> dict[str, Any]:
    """Return what the platform is told by the page that carries an answer to it."""
    return tab.lms.verify(unescape(answer.text.split('name="JWT" value="')[1].split('"')[0]))


def test_a_teacher_chooses_an_exercise_and_the_platform_gets_it_signed(tab: Browser) -> None:
    page = tab.launch(lambda nonce: tab.lms.deep_linking_claims(nonce))
    assert "Which exercise?" in page.text
    url, form = choosing(page)
    answer = tab.client.post(url, data=form)
    policy = answer.headers["content-security-policy"]
    assert "form-action 'self' https://lms.example;" in policy and "script-src 'self'" in policy
    assert 'action="https://lms.example/deep"' in answer.text
    [item] = answered(tab, answer)[DEEP + "content_items"]
    assert item["custom"] == {"exercise": EXERCISE}
    assert item["lineItem"]["scoreMaximum"] == 100
    assert tab.client.post(url, data=form | {"exercise": "nothing"}).status_code == 404
    assert tab.client.post(f"/choices/{'0' * 32}", data=form).status_code == 401


@pytest.mark.parametrize(
    "data", ["opaque", {"a": [1, None]}, 2**80, "\0\ud800", None, "x" * 400, "\u0436" * 500]
)
def test_whatever_the_platform_sent_to_be_returned_is_returned(tab: Browser, data: object) -> None:
    page = tab.launch(lambda nonce: tab.lms.deep_linking_claims(nonce, data=data))
    url, form = choosing(page)
    claims = answered(tab, tab.client.post(url, data=form))
    assert claims.get(DEEP + "data") == data


def test_a_long_title_in_any_script_and_a_long_address_reach_the_platform(
    tab: Browser, app: Litestar, service: Service
) -> None:
    title = "\u041a\u043b\u0430\u0441\u0441 & <\u0441\u0435\u0442\u044c> " * 20
    named = dataclasses.replace(service.exercises[EXERCISE], title=title)
    app.state.service = dataclasses.replace(service, exercises={EXERCISE: named})
    back = f"{tab.lms.issuer}/deep?" + "a=1&b=2&" * 200
    page = tab.launch(lambda nonce: tab.lms.deep_linking_claims(nonce, deep_link_return_url=back))
    url, form = choosing(page)
    answer = tab.client.post(url, data=form)
    [item] = answered(tab, answer)[DEEP + "content_items"]
    assert item["title"] == item["lineItem"]["label"] == title
    assert unescape(answer.text.split('action="')[1].split('"')[0]) == back


def test_a_student_may_not_choose(tab: Browser) -> None:
    def claims(nonce: str) -> dict[str, Any]:
        role = [LTI.replace("claim/", "") + "#Learner"]
        return tab.lms.deep_linking_claims(nonce) | {LTI + "roles": role}

    page = tab.launch(claims)
    assert page.status_code == 403 and "for the staff of the course" in page.text


def test_cookies_over_https_can_live_in_a_frame(
    tab: Browser, service: Service, app: Litestar
) -> None:
    object.__setattr__(service.settings, "base_url", "https://grader.example")
    client = TestClient(app, base_url="https://grader.example")
    framed = Browser(client, tab.lms)
    asked = framed.begin()
    assert asked["redirect_uri"] == "https://grader.example/lti/launch"
    answer = framed.post(asked["state"], tab.lms.sign(tab.lms.claims(asked["nonce"])))
    sent = answer.headers.get_list("set-cookie")
    assert len(sent) == 2 and sent[0].startswith("__Host-grader-1=")
    assert all("SameSite=None; Secure; Partitioned" in cookie for cookie in sent)


def test_keys_and_canvas_configuration_are_public(client: TestClient[Any]) -> None:
    [key] = client.get("/lti/jwks").json()["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "alg", "use"}
    document = client.get("/lti/canvas.json").json()
    assert document["oidc_initiation_url"].endswith("/lti/login")


def registering(lms: FakePlatform, token: str = "invited") -> dict[str, str]:
    url = f"{lms.issuer}/.well-known/openid-configuration"
    return {"openid_configuration": url, "registration_token": token}


def test_dynamic_registration_waits_for_the_operator(
    client: TestClient[Any], lms: FakePlatform, service: Service
) -> None:
    page = client.get("/lti/register", params=registering(lms))
    assert page.status_code == 200 and "grader lti approve" in page.text
    assert 'id="close"' in page.text and "/static/close." in page.text, "the platform waits for it"
    [asked] = lms.registrations
    assert asked["initiate_login_uri"] == f"{service.settings.base_url}/lti/login"
    with service.database.transaction() as session:
        [platform] = registry.every(session)
        assert (platform.approved, platform.deployments) == (False, {"1"})
        registry.approve(session, int(platform.id))
    Browser(client, lms).launch(lambda nonce: lms.claims(nonce))
    again = client.get("/lti/register", params=registering(lms))
    assert again.status_code == 400 and "registered already" in again.text


def test_a_trusted_issuer_is_let_in_and_the_window_closes(
    client: TestClient[Any], lms: FakePlatform, service: Service
) -> None:
    object.__setattr__(service.settings, "lti_issuers", (lms.issuer,))
    page = client.get("/lti/register", params=registering(lms))
    assert re.search(r'<script defer src="/static/close\.[0-9a-f]+\.js">', page.text)
    assert 'id="close"' not in page.text
    with service.database.reading() as session:
        assert registry.every(session)[0].approved


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "open this from your platform"),
        ({"openid_configuration": "https://lms.example/nothing"}, "404"),
        ({"openid_configuration": "not an address"}, "could not be registered"),
        ({"openid_configuration": "https://lms.example/keys"}, "configuration holds no usable"),
    ],
)
def test_a_registration_that_cannot_be_says_why(
    client: TestClient[Any], lms: FakePlatform, params: dict[str, str], words: str
) -> None:
    page = client.get("/lti/register", params=params)
    assert page.status_code == 400 and words in page.text
    refused_there = client.get("/lti/register", params=registering(lms, "wrong"))
    assert refused_there.status_code == 400 and "invalid_token" in refused_there.text
    assert 'id="close"' in refused_there.text


@pytest.mark.parametrize(
    "answer",
    [
        lambda request: httpx.Response(200, text="<h1>Salaries of 2026</h1>"),
        lambda request: httpx.Response(403, text="Salaries are for the dean alone"),
    ],
    ids=["page", "refusal"],
)
def test_a_stranger_reads_nothing_through_us(
    app: Litestar, client: TestClient[Any], answer: Callable[[httpx.Request], httpx.Response]
) -> None:
    called = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    app.state.lti = Lti(called, PlatformKeys(called))
    page = client.get("/lti/register", params={"openid_configuration": "https://in.example/"})
    assert page.status_code == 400 and "cannot be had" in page.text
    assert "alaries" not in page.text


def test_a_stranger_learns_no_address_of_a_host_inside(
    app: Litestar, client: TestClient[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.3.2.1", 443))]
    called = transport.client(())
    app.state.lti = Lti(called, PlatformKeys(called))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: inside)
    page = client.get("/lti/register", params={"openid_configuration": "https://in.example/"})
    assert page.status_code == 400 and "no answer" in page.text
    assert "10.3.2.1" not in page.text


def test_a_stranger_has_us_ask_by_https_alone(
    client: TestClient[Any], lms: FakePlatform, service: Service
) -> None:
    object.__setattr__(service.settings, "base_url", "https://testserver.local")
    lms.issuer = "http://lms.example"
    page = client.get("/lti/register", params=registering(lms))
    assert page.status_code == 400 and "by https alone" in page.text
    assert lms.registrations == []


@pytest.mark.parametrize("lms", ["canvas"], indirect=True)
def test_nothing_is_registered_at_a_canvas_that_asks_for_it(
    client: TestClient[Any], lms: FakePlatform, service: Service
) -> None:
    page = client.get("/lti/register", params=registering(lms))
    assert page.status_code == 400 and "by its developer key: /lti/canvas.json" in page.text
    with service.database.reading() as session:
        assert (lms.registrations, registry.every(session)) == ([], [])


def test_strangers_who_have_us_call_slow_hosts_keep_no_launch_waiting(
    app: Litestar, lms: FakePlatform
) -> None:
    go = asyncio.Event()

    class Slow(httpx.AsyncBaseTransport):
        """Looks names up in as few threads as a process has for that."""

        def __init__(self) -> None:
            self.free = asyncio.Semaphore(3)

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            async with self.free:
                if request.url.host == "slow.example":
                    await go.wait()
                return await lms.respond(request)

    async def main() -> None:
        async with httpx.AsyncClient(transport=Slow()) as called:
            lti = app.state.lti = Lti(called, PlatformKeys(called))
            tool = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=tool, base_url="http://testserver.local") as us:
                slow = {"openid_configuration": "https://slow.example/"}
                asked = [
                    asyncio.create_task(us.get("/lti/register", params=slow)) for _ in range(9)
                ]
                async with asyncio.timeout(PATIENCE_S):
                    while sum(one.done() for one in asked) < 7:
                        await asyncio.sleep(0.05)
                    document = await get_json(lti.client, f"{lms.issuer}/keys")
                assert usable_keys(document)
                refused = [one.result().text for one in asked if one.done()]
                assert len(refused) == 7
                assert all("try again in a minute" in text for text in refused)
                go.set()
                await asyncio.wait(asked)

    asyncio.run(main())


@pytest.mark.parametrize("address", ["keys_url", "login_url", "token_url", "token_audience"])
def test_what_waits_for_approval_is_not_exchanged_under_its_number(
    service: Service, lms: FakePlatform, address: str
) -> None:
    genuine = describe(lms, approved=False)
    forged = dataclasses.replace(genuine, **{address: "https://evil.example/"})
    with service.database.transaction() as session:
        told = registry.add(session, genuine)
    with (
        pytest.raises(UsageError, match="waits for approval already, with other addresses"),
        service.database.transaction() as session,
    ):
        registry.add(session, forged)
    with service.database.transaction() as session:
        registry.approve(session, told)
        assert getattr(registry.get(session, told), address) == getattr(genuine, address)


def test_a_registration_that_waits_may_be_repeated_and_an_operators_replaces_it(
    service: Service, lms: FakePlatform
) -> None:
    genuine = describe(lms, approved=False)
    moved = dataclasses.replace(genuine, keys_url="https://lms.example/new", approved=True)
    with service.database.transaction() as session:
        for one in (genuine, genuine, moved):
            registry.add(session, one)
        [found] = registry.every(session)
        assert (found.approved, found.keys_url) == (True, moved.keys_url)


def test_strangers_fill_no_table_with_platforms(
    service: Service, lms: FakePlatform, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_MOST_WAITING", 3)
    told = []
    for number in range(5):
        stranger = describe(lms, client_id=f"stranger-{number}", approved=False)
        with service.database.transaction() as session:
            told.append(registry.add(session, stranger))
    with service.database.reading() as session:
        assert [int(one.id) for one in registry.every(session)] == [int(platform.id), *told[-3:]]


@pytest.mark.parametrize("aimed_at", ["audience", "issuer"])
def test_no_platform_has_us_sign_for_it_as_another_one(
    service: Service, platform: Platform, aimed_at: str
) -> None:
    """Its token service would get what opens the other one's courses."""
    evil = dataclasses.replace(
        platform,
        issuer="https://evil.example",
        token_url="https://evil.example/token",
        token_audience=platform.token_url if aimed_at == "audience" else platform.issuer,
    )
    with service.database.transaction() as session:
        with pytest.raises(UsageError, match=f"is platform {platform.id}'s"):
            registry.add(session, dataclasses.replace(evil, approved=True))
        waiting = registry.add(session, dataclasses.replace(evil, approved=False))
        with pytest.raises(UsageError, match="another one's"):
            registry.approve(session, waiting)
        honest = dataclasses.replace(evil, client_id="own", approved=True)  # Brightspace shares it
        registry.add(session, honest)
