"""Keys, login, registration, deep linking and tokens, each as a platform sees them."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import RSAKey

from grader.errors import UsageError
from grader.service.lti import deep_linking, keys, login, names, registration
from grader.service.lti.fetching import Unanswered, exchange, json_of
from grader.service.lti.launch import DeepLinking
from grader.service.lti.refusals import LaunchRefused
from grader.service.lti.registration import Tool
from grader.service.lti.service_token import ServiceTokens
from service.lti.fake_gradebook import Gradebook
from service.lti.fake_platform import TOOL, FakePlatform
from service.lti.test_launch import PLATFORM

NOW = datetime(2026, 11, 24, tzinfo=UTC)
OLD = keys.make(NOW - timedelta(days=90))
NEW = keys.make(NOW)
HERE = Tool(base_url="https://grader.example")


def published(at: datetime) -> set[str]:
    return {key["kid"] for key in keys.published([OLD, NEW], at)["keys"]}


def test_a_new_key_is_published_before_it_signs_and_the_old_one_after() -> None:
    assert keys.signing([OLD, NEW], NOW) == OLD
    assert published(NOW) == {OLD.kid, NEW.kid}
    later = NOW + keys.LEAD
    assert keys.signing([OLD, NEW], later) == NEW
    assert published(later) == {OLD.kid, NEW.kid}
    assert published(later + keys.TAIL) == {NEW.kid}
    assert keys.stale([OLD, NEW], later) == []
    assert keys.stale([OLD, NEW], later + keys.TAIL) == [OLD]


def test_the_first_key_signs_at_once_and_none_is_an_error() -> None:
    assert keys.signing([NEW], NOW) == NEW
    with pytest.raises(ValueError, match="no key"):
        keys.signing([], NOW)


def test_what_is_published_holds_no_private_part() -> None:
    [document] = keys.published([NEW], NOW)["keys"]
    assert set(document) == {"kty", "n", "e", "kid", "alg", "use"}
    assert "d" in NEW.private and str(NEW.private["d"]) not in repr(NEW)
    assert RSAKey.import_key(document).thumbprint() == NEW.kid


def test_login_sends_the_browser_to_the_platform_with_everything_it_needs() -> None:
    request = login.read_request(
        {"iss": PLATFORM.issuer, "login_hint": "h 1", "lti_message_hint": "m&2"}
    )
    start = login.start(request, PLATFORM, HERE.launch, NOW)
    query = {name: values[0] for name, values in parse_qs(urlsplit(start.url).query).items()}
    assert start.url.startswith("https://lms.example/auth?")
    assert query == {
        "scope": "openid",
        "response_type": "id_token",
        "response_mode": "form_post",
        "prompt": "none",
        "client_id": "tool-1",
        "redirect_uri": "https://grader.example/lti/launch",
        "login_hint": "h 1",
        "lti_message_hint": "m&2",
        "state": start.state,
        "nonce": start.ticket.nonce,
    }
    assert start.state not in repr(start.ticket) and start.browser not in repr(start.ticket)
    with_query = replace(PLATFORM, login_url="https://lms.example/auth?a=1")
    assert "auth?a=1&scope=" in login.start(request, with_query, HERE.launch, NOW).url


@pytest.mark.parametrize(
    "fields",
    [
        *({}, {"iss": "x"}, {"login_hint": "x"}),
        *({"iss": "x\0", "login_hint": "x"}, {"iss": "x", "login_hint": "\ud800"}),
    ],
)
def test_login_without_a_platform_or_user_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(LaunchRefused, match="malformed"):
        login.read_request(fields)


def test_a_ticket_counts_once_in_one_browser_for_ten_minutes() -> None:
    request = login.read_request({"iss": PLATFORM.issuer, "login_hint": "h"})
    start = login.start(request, PLATFORM, HERE.launch, NOW)
    ticket = start.ticket
    assert login.check_ticket(ticket, start.browser, NOW) == ticket
    refusals = {
        "state_unknown": (None, start.browser, NOW),
        "state_used": (replace(ticket, used=True), start.browser, NOW),
        "state_expired": (ticket, start.browser, NOW + login.VALID),
        "other_browser": (ticket, "", NOW),
    }
    for reason, (stored, browser, at) in refusals.items():
        with pytest.raises(LaunchRefused) as caught:
            login.check_ticket(stored, browser, at)
        assert caught.value.reason == reason
        assert caught.value.advice.startswith("Open this again from your course")


def test_cookies_work_inside_a_frame_over_https_and_on_this_machine() -> None:
    framed = login.login_cookie("https://grader.example", "s").header("v", max_age_s=600)
    assert framed.startswith("__Host-lti-")
    assert "; SameSite=None; Secure; Partitioned" in framed and "; HttpOnly" in framed
    local = login.login_cookie("http://127.0.0.1:8000", "s").header("v", max_age_s=600)
    assert "; SameSite=Lax" in local and "Secure" not in local and "Partitioned" not in local


async def register(lms: FakePlatform) -> registration.Configuration:
    url = f"{lms.issuer}/.well-known/openid-configuration"
    answer = await lms.respond(httpx.Request("GET", url))
    return registration.read_configuration(json.loads(answer.content), fetched_from=url)


def test_dynamic_registration_asks_for_ids_alone_and_keeps_what_comes_back() -> None:
    lms = FakePlatform(Gradebook("moodle"))
    found = asyncio.run(register(lms))
    asked = registration.request(HERE, found)
    assert asked[TOOL]["claims"] == ["iss", "sub"]
    assert asked["redirect_uris"] == ["https://grader.example/lti/launch"]
    assert asked["scope"].split() == [names.SCOPE_RESULT_READ, names.SCOPE_SCORE]
    kinds = [message["type"] for message in asked[TOOL]["messages"]]
    assert kinds == ["LtiDeepLinkingRequest", "LtiSubmissionReviewRequest"]
    named = replace(found, messages=("LtiResourceLinkRequest", "LtiDeepLinkingRequest"))
    [chooser] = registration.request(HERE, named)[TOOL]["messages"]
    assert chooser["type"] == "LtiDeepLinkingRequest"
    answer = {"client_id": "c9", TOOL: {"deployment_id": "5"}}
    platform = registration.registered(found, answer, id="1", approved=False)
    assert (platform.client_id, platform.deployments) == ("c9", frozenset(["5"]))
    assert (platform.any_deployment, platform.approved) == (False, False)
    assert platform.token_audience == "https://lms.example/token"
    unnamed = registration.registered(found, {"client_id": "c9"}, id="1", approved=True)
    assert unnamed.any_deployment and unnamed.deployments == frozenset()


def test_a_registration_token_goes_to_the_platform_alone() -> None:
    found = {
        "issuer": "https://lms.example",
        "authorization_endpoint": "https://lms.example/auth",
        "token_endpoint": "https://lms.example/token",
        "jwks_uri": "https://lms.example/keys",
        "registration_endpoint": "https://evil.example/register",
    }
    with pytest.raises(UsageError, match="another host"):
        registration.read_configuration(found, fetched_from="https://lms.example/config")
    found["registration_endpoint"] = "http://lms.example:8080/register"
    with pytest.raises(UsageError, match="by http"):
        registration.read_configuration(found, fetched_from="https://lms.example/config")


@pytest.mark.parametrize(
    "broken",
    [
        *(None, [], {}, {"issuer": "ftp://x"}, {"issuer": 5}, {"issuer": "https://[x"}),
        *({"issuer": "https://x\0y"}, {"issuer": "https://x\r\ny"}, {"client_id": "\ud800"}),
    ],
)
def test_a_configuration_that_lacks_something_is_refused(broken: Any) -> None:
    with pytest.raises(UsageError, match="configuration"):
        registration.read_configuration(broken, fetched_from="https://lms.example")
    found = asyncio.run(register(FakePlatform(Gradebook("moodle"))))
    with pytest.raises(UsageError, match="client_id"):
        registration.registered(found, broken, id="1", approved=True)


HONEST = {
    "issuer": "https://lms.example",
    "authorization_endpoint": "https://lms.example/auth",
    "token_endpoint": "https://lms.example/token",
    "jwks_uri": "https://lms.example/keys",
    "registration_endpoint": "https://lms.example/register",
}


@pytest.mark.parametrize(
    ("named", "audience"),
    [
        ("https://api.lms.example/auth", "https://api.lms.example/auth"),  # Brightspace
        ("lms.example", "https://lms.example/token"),  # a bare host, as Canvas writes it
        ("", "https://lms.example/token"),
    ],
)
def test_an_audience_of_its_own_for_tokens_is_an_address(named: str, audience: str) -> None:
    found = {**HONEST, "authorization_server": named}
    read = registration.read_configuration(found, fetched_from="https://lms.example/config")
    assert read.token_audience == audience


@pytest.mark.parametrize("listed", [None, "x", [None, 5, {}, {"type": 5}, {"type": "LtiX"}]])
def test_whatever_a_platform_lists_as_its_messages_is_read(listed: Any) -> None:
    found = {**HONEST, names.PLATFORM_CONFIGURATION: {"messages_supported": listed}}
    read = registration.read_configuration(found, fetched_from="https://lms.example/config")
    kept = read.messages
    asked = registration.request(HERE, read)[TOOL]["messages"]
    assert len(asked) == (0 if "LtiX" in kept else 2)


def test_a_canvas_is_told_to_register_by_its_developer_key() -> None:
    special = {"product_family_code": "canvas"}
    elsewhere = {"registration_endpoint": "https://account.example/api/lti/registrations"}
    found = {**HONEST, **elsewhere, names.PLATFORM_CONFIGURATION: special}
    with pytest.raises(UsageError, match=r"by its developer key: /lti/canvas\.json"):
        registration.read_configuration(found, fetched_from="https://lms.example/config")


@pytest.mark.parametrize(
    "name",
    ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "authorization_server"],
)
def test_nobody_speaks_for_an_issuer_at_other_hosts_than_its_own(name: str) -> None:
    def speaks(**changes: str) -> bool:
        document = {**HONEST, **changes}
        read = registration.read_configuration(document, fetched_from="https://lms.example/conf")
        return registration.speaks_for_its_issuer(read)

    assert speaks()
    assert not speaks(**{name: "https://other.example/x"})


def test_canvas_gets_its_own_form_of_configuration() -> None:
    document = registration.canvas_configuration(HERE)
    assert document["public_jwk_url"] == "https://grader.example/lti/jwks"
    assert document["extensions"][0]["privacy_level"] == "anonymous"


def test_a_chosen_exercise_goes_back_signed_with_its_column() -> None:
    lms = FakePlatform(Gradebook("moodle"), tool_keys=lambda: keys.published([NEW], NOW))
    item = deep_linking.content_item(
        HERE, exercise="tiny", title="Tiny", maximum=100, with_line_item=True
    )
    wanted = DeepLinking(return_url="https://x", data="opaque", accepts_line_item=True)
    claims = lms.verify(
        deep_linking.response(PLATFORM, "1", wanted, [item], NEW, now_s=NOW.timestamp())
    )
    assert (claims["iss"], claims["aud"]) == ("tool-1", ["https://lms.example"])
    assert claims[names.DEEP_DATA] == "opaque" and claims[names.DEPLOYMENT] == "1"
    assert claims[names.MESSAGE_TYPE] == "LtiDeepLinkingResponse"
    [sent] = claims[names.DEEP_ITEMS]
    assert sent["custom"] == {"exercise": "tiny"}
    assert sent["lineItem"]["scoreMaximum"] == 100
    bare = deep_linking.content_item(
        HERE, exercise="tiny", title="Tiny", maximum=100, with_line_item=False
    )
    assert "lineItem" not in bare


def test_a_service_token_is_kept_until_it_ends_and_asked_for_again_when_refused() -> None:
    now_s = [NOW.timestamp()]
    lms = FakePlatform(
        Gradebook("moodle"),
        clock=lambda: now_s[0],
        tool_keys=lambda: keys.published([NEW], NOW),
    )

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(lms.respond)) as client:
            tokens = ServiceTokens(client, lambda: NEW, clock=lambda: now_s[0])
            first = await tokens.get(PLATFORM, names.SCOPES)
            assert await tokens.get(PLATFORM, names.SCOPES) == first
            tokens.forget(first)
            second = await tokens.get(PLATFORM, names.SCOPES)
            assert second != first
            now_s[0] += 3600
            assert await tokens.get(PLATFORM, names.SCOPES) != second

    asyncio.run(main())


def test_a_wrong_audience_or_an_unknown_key_gets_no_token() -> None:
    lms = FakePlatform(Gradebook("moodle"), tool_keys=lambda: keys.published([NEW], NOW))
    lms.clock = NOW.timestamp

    async def main(key: keys.KeyPair, audience: str) -> None:
        platform = replace(PLATFORM, token_audience=audience)
        async with httpx.AsyncClient(transport=httpx.MockTransport(lms.respond)) as client:
            tokens = ServiceTokens(client, lambda: key, clock=NOW.timestamp)
            with pytest.raises(Unanswered, match="invalid_client") as caught:
                await tokens.get(platform, names.SCOPES)
            assert caught.value.status == 400

    asyncio.run(main(NEW, "https://elsewhere.example"))
    asyncio.run(main(OLD, PLATFORM.token_audience))


@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip", "br"])
def test_an_answer_that_comes_packed_is_not_unpacked(coding: str) -> None:
    """2 KB that a stranger has us fetch are a gigabyte, and nothing else is answered meanwhile."""
    read = 0

    async def packed() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield gzip.compress(gzip.compress(b"{}"))

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(201, headers={"content-encoding": coding}, content=packed())

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            found = await exchange(client, "POST", "https://lms.example/scores")
            assert found.status_code == 201  # a score was taken, whatever was said of it
            with pytest.raises(Unanswered, match="packed"):
                json_of(found)

    asyncio.run(main())
    assert read == 0
