"""What an operator types, and reads."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from grader.errors import UsageError
from grader.service.core import Service
from grader.service.database import Database
from grader.service.lti import operating, presets
from grader.service.lti.platform import Platform, frame
from service.lti.course import Course
from service.lti.fake_platform import FakePlatform

Command = Callable[..., Any]

# The oldest Typer that we take imports what the newest Click calls old.
pytestmark = pytest.mark.filterwarnings("ignore:'click:DeprecationWarning")


@pytest.fixture
def grader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command on an embedded database of its own."""
    monkeypatch.setenv("GRADER_DATA", str(tmp_path))
    monkeypatch.setenv("GRADER_BASE_URL", "https://grader.example")

    from typer.testing import CliRunner

    from grader.cli import app

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, arguments)

    return run


def test_a_moodle_is_added_by_its_address_and_listed(grader: Command) -> None:
    arguments = ("lti", "add-platform", "--family", "moodle", "--client-id", "c1")
    added = grader(*arguments, "--url", "https://lms.example/", "--deployment", "3")
    assert added.exit_code == 0, added.output
    listed = grader("lti", "list").output
    assert "1  https://lms.example  client id c1" in listed and "deployments: 3" in listed
    assert "https://lms.example/mod/lti/token.php" in listed
    assert "https://grader.example/lti/register" in listed
    again = grader(*arguments, "--url", "https://lms.example")
    assert again.exit_code == 2 and "registered already, as platform 1" in again.output


@pytest.mark.parametrize("name", ["issuer", "login-url", "token-url", "keys-url"])
def test_an_address_without_its_scheme_is_refused(name: str, grader: Command) -> None:
    given = dict.fromkeys(("issuer", "login-url", "token-url"), "https://lms.example/x")
    given |= {"keys-url": "https://lms.example/k", name: "lms.example"}
    options = [word for one, value in given.items() for word in (f"--{one}", value)]
    done = grader("lti", "add-platform", "--client-id", "c1", *options)
    assert done.exit_code == 2
    assert f"--{name} takes an address" in done.output


def test_other_hosts_may_show_a_platform_in_a_frame(grader: Command) -> None:
    arguments = ("lti", "add-platform", "--family", "moodle", "--client-id", "c1")
    arguments += ("--url", "https://lms.example")
    named = ("--frame", "https://Apps.lms.example/", "--frame", "http://localhost:2000")
    assert grader(*arguments, *named).exit_code == 0
    shown = "in frames of https://apps.lms.example, http://localhost:2000"
    assert shown in grader("lti", "list").output
    changed = grader("lti", "frames", "1", "https://learn.example:8443")
    assert changed.output == "platform 1 is shown by its own hosts, https://learn.example:8443\n"
    assert "in frames of https://learn.example:8443\n" in grader("lti", "list").output
    assert grader("lti", "frames", "1").exit_code == 0
    assert "in frames of" not in grader("lti", "list").output
    unknown = grader("lti", "frames", "7")
    assert unknown.exit_code == 2 and "there is no platform 7" in unknown.output


@pytest.mark.parametrize(
    "address",
    [
        *("apps.example", "*", "https://*.example", "https://apps.example/course", "", "https://"),
        *("http://apps.example", "https://a.example https://b.example", "https://a.example; x"),
        *("http://localhost.evil.example", "https://user@apps.example", "ftp://apps.example"),
    ],
)
def test_what_is_no_origin_gets_no_frame(address: str, grader: Command) -> None:
    with pytest.raises(UsageError, match="a frame is"):
        frame(address)
    arguments = ("lti", "add-platform", "--family", "moodle", "--client-id", "c1")
    added = grader(*arguments, "--url", "https://lms.example", "--frame", address)
    assert added.exit_code == 2 and "a frame is" in added.output
    assert "no platforms yet" in grader("lti", "list").output


def test_a_platform_is_shut_out_and_let_in_again(grader: Command) -> None:
    arguments = ("lti", "add-platform", "--family", "moodle", "--client-id", "c1")
    arguments += ("--url", "https://lms.example")
    assert grader(*arguments).exit_code == 0
    blocked = grader("lti", "block", "1")
    assert blocked.exit_code == 0 and "platform 1 is shut out" in blocked.output
    assert "BLOCKED: grader lti approve 1" in grader("lti", "list").output
    again = grader(*arguments)
    assert again.exit_code == 2 and "registered already, as platform 1" in again.output
    assert grader("lti", "approve", "1").exit_code == 0
    assert "BLOCKED" not in grader("lti", "list").output
    unknown = grader("lti", "block", "7")
    assert unknown.exit_code == 2 and "there is no platform 7" in unknown.output


def test_a_sender_may_stand_for_the_courses_of_a_platform(grader: Command) -> None:
    command = ("webhook", "add", "campus", "--lti-platform", "1")
    refused = grader(*command)
    assert (
        refused.exit_code == 2 and "there is no platform 1; see grader lti list" in refused.output
    )
    arguments = ("lti", "add-platform", "--family", "moodle", "--client-id", "c1")
    assert grader(*arguments, "--url", "https://lms.example").exit_code == 0
    added = grader(*command)
    assert added.exit_code == 0, added.output
    assert "https://grader.example/hooks/submissions/campus" in added.output
    assert "courses of platform 1" in grader("webhook", "list").output


def test_a_platform_of_another_family_needs_every_address(grader: Command) -> None:
    added = grader("lti", "add-platform", "--family", "sakai", "--client-id", "c1")
    assert added.exit_code == 2 and "--token-url" in added.output
    missing = grader("lti", "add-platform", "--family", "moodle", "--client-id", "c1")
    assert missing.exit_code == 2 and "--url" in missing.output
    assert grader("lti", "approve", "7").exit_code == 2


def test_canvas_calls_itself_the_same_wherever_it_runs() -> None:
    cloud, own = presets.addresses("canvas", ""), presets.addresses("canvas", "https://c.example")
    assert cloud.issuer == own.issuer == "https://canvas.instructure.com"
    assert cloud.keys_url == "https://sso.canvaslms.com/api/lti/security/jwks"
    assert own.token_url == "https://c.example/login/oauth2/token"
    with pytest.raises(UsageError, match="no addresses are known"):
        presets.addresses("sakai", "")


def test_a_key_is_rotated_and_nothing_waits_in_an_empty_service(grader: Command) -> None:
    assert grader("lti", "rotate-key").output.startswith("new key ")
    assert grader("grades", "status").output == "0 done, 0 on their way, 0 parked\n"
    assert json.loads(grader("grades", "status", "--format", "json").output) == []
    unknown = grader("grades", "status", "--step", "nope")
    assert (unknown.exit_code, "send, read, probe, done, parked" in unknown.output) == (2, True)
    assert grader("grades", "resend").exit_code == 2
    assert grader("grades", "why", "1").exit_code == 2


def test_a_platform_that_cannot_be_reached_fails_the_check(grader: Command) -> None:
    arguments = ("lti", "add-platform", "--family", "moodle", "--client-id", "c1")
    grader(*arguments, "--url", "http://127.0.0.1:9")
    checked = grader("lti", "check", "1")
    assert checked.exit_code == 1
    assert "FAIL  its keys" in checked.output and "GRADER_ALLOW_NETWORKS" in checked.output


def test_a_platform_that_answers_passes_the_check(
    lms: FakePlatform, platform: Platform, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def client(allowed: object) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(lms.respond))

    monkeypatch.setattr(operating.transport, "client", client)
    found = asyncio.run(operating.check(service.settings, service.database, int(platform.id)))
    assert [(one.what, one.ok) for one in found] == [
        ("approved", True),
        ("its keys", True),
        ("a token for grades", True),
    ]


def test_a_parked_grade_says_why_and_is_sent_again(course: Course) -> None:
    database: Database = course.service.database
    with course.link() as link:
        link.course_title, link.title = "Algebra", "Week 3"
    del course.lms.gradebook.columns["7"]
    course.judge("u1", 70)
    course.send()
    [parked] = operating.states(database, step="parked")
    assert (parked.course, parked.link, parked.wanted) == ("Algebra", "Week 3", "70 of 100")
    assert "Line item not found" in parked.problem
    assert operating.states(database, step="done") == []
    assert operating.states(database, course="other") == []
    _, steps = operating.why(database, parked.id)
    assert [step.what for step in steps] == ["decided", "send: refused"]
    course.lms.gradebook.columns["7"] = {}
    assert operating.resend(database, [parked.id, 999]) == 1
    course.send()
    assert [one.step for one in operating.states(database, user="u1")] == ["done"]
