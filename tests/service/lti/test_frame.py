"""In a real browser the tool works inside a frame of another site: cookies, policies, forms.

The platform is at localhost, the tool at 127.0.0.1: two sites, so that the cookies are third-party.
"""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from sqlalchemy import delete

from grader.service.core import Service
from grader.service.lti import registry
from grader.service.lti.tables import LtiPlatform
from service.lti.fake_platform import LTI, FakePlatform
from service.lti.served import asgi, certificate, serving
from service.ports import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Page


LISTENING = """(address) => {
  window.heard = [];
  window.addEventListener("message", (told) => window.heard.push(told.data.subject));
  const frame = document.createElement("iframe");
  frame.src = address;
  document.body.append(frame);
}"""
"""A platform's page that has a tool register inside it, as Moodle's does."""


@pytest.fixture
def kind() -> str:
    """The embedded database: a browser sees no difference."""
    return "sqlite"


def test_a_student_opens_the_exercise_inside_the_course(page: "Page", served: FakePlatform) -> None:
    page.goto(f"{served.issuer}/course?user=u1:Learner")
    frame = page.frame_locator("iframe")
    frame.get_by_role("heading", name="What to do").wait_for()
    kept = {cookie["name"]: cookie for cookie in page.context.cookies()}
    ours = kept["__Host-grader-1"]
    assert ours["sameSite"] == "None" and ours["secure"]
    assert ours.get("partitionKey") == "https://localhost"
    assert not [name for name in kept if name.startswith("__Host-lti-")], "used up"
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        found = Axe().run(page).response["violations"]
        grave = [v["id"] for v in found if v["impact"] in ("serious", "critical")]
        assert set(grave) <= {"html-has-lang", "document-title"}  # the fake course's own


def test_a_teacher_chooses_an_exercise_inside_the_course(
    page: "Page", served: FakePlatform
) -> None:
    page.goto(f"{served.issuer}/course?user=t:chooses")
    frame = page.frame_locator("iframe")
    frame.get_by_text("Which exercise?").wait_for()
    frame.get_by_role("radio").last.check()
    with page.expect_request(lambda request: request.url == f"{served.issuer}/deep") as sent:
        frame.get_by_role("button").click()
    token = str(sent.value.post_data).removeprefix("JWT=")
    assert served.verify(token)[LTI + "message_type"] == "LtiDeepLinkingResponse"
    frame.get_by_text("It is in the course now.").wait_for()


def test_a_page_of_another_host_may_show_the_course_that_shows_it(
    page: "Page", served: FakePlatform, service: Service, tmp_path: Path
) -> None:
    """As Open edX does: apps.HOST shows a page of HOST, which shows the tool."""
    port = free_port()
    course = f"{served.issuer}/course?user=u1:Learner"

    async def outer(request: httpx.Request) -> httpx.Response:
        text = f'<iframe name="course" src="{course}"></iframe>'
        return httpx.Response(200, headers={"content-type": "text/html"}, text=text)

    with service.database.transaction() as session:
        [platform] = registry.every(session)
        registry.set_frames(session, int(platform.id), [f"https://localhost:{port}"])
    with serving(asgi(outer), port, certificate(tmp_path)):
        page.goto(f"https://localhost:{port}/favicon.ico")
        tool = page.frame_locator("iframe").frame_locator("iframe")
        tool.get_by_role("heading", name="What to do").wait_for()
        page.goto("about:blank")


@pytest.mark.parametrize("trusted", [True, False])
def test_a_registration_closes_its_frame_once_its_command_was_read(
    page: "Page", served: FakePlatform, service: Service, trusted: bool
) -> None:
    with service.database.transaction() as session:
        session.execute(delete(LtiPlatform))
    object.__setattr__(service.settings, "lti_issuers", (served.issuer,) if trusted else ())
    page.goto(f"{served.issuer}/deep")
    configuration = f"{served.issuer}/.well-known/openid-configuration"
    query = urlencode({"openid_configuration": configuration, "registration_token": "invited"})
    page.evaluate(LISTENING, f"{served.tool}/lti/register?{query}")
    if not trusted:
        frame = page.frame_locator("iframe")
        frame.get_by_text("grader lti approve").wait_for()
        assert page.evaluate("window.heard") == []
        frame.get_by_role("button", name="Back to the platform").click()
    page.wait_for_function("window.heard.includes('org.imsglobal.lti.close')")


def test_going_back_reads_what_to_do(page: "Page", served: FakePlatform) -> None:
    page.goto(f"{served.issuer}/course?user=u1:Learner")
    frame = page.frame_locator("iframe")
    frame.get_by_role("heading", name="What to do").wait_for()
    page.context.clear_cookies()
    answer = page.request.post(f"{served.tool}/lti/launch", form={"state": "s", "id_token": "t"})
    assert "Open this again from your course." in answer.text()
