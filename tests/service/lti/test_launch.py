"""A genuine launch is read whole; every forged one is refused for its own reason."""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.service.lti import tokens
from grader.service.lti.launch import Launch, check, role
from grader.service.lti.platform import Platform
from grader.service.lti.platform_keys import PlatformKeys
from grader.service.lti.refusals import LaunchRefused, Reason
from service.lti.fake_gradebook import Gradebook
from service.lti.fake_platform import (
    LTI,
    MEMBERSHIP,
    FakePlatform,
    new_key,
    signed_with_public_key,
    unsigned,
)

PLATFORM = Platform(
    id="1",
    issuer="https://lms.example",
    client_id="tool-1",
    login_url="https://lms.example/auth",
    token_url="https://lms.example/token",
    token_audience="https://lms.example/token",
    keys_url="https://lms.example/keys",
    deployments=frozenset(["1"]),
)
NOW = 1_790_000_000.0
SUB_ROLE = MEMBERSHIP.replace("#", "/Instructor#")
OTHER_KEY = new_key("k1", 1)


@pytest.fixture(scope="module")
def lms() -> FakePlatform:
    return FakePlatform(Gradebook("moodle"), clock=lambda: NOW)


def accept(lms: FakePlatform, token: str, platform: Platform = PLATFORM) -> Launch:
    """Go through every check that follows on the state's."""

    async def checked() -> dict[str, Any]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(lms.respond)) as client:
            return await PlatformKeys(client).verified(token, platform)

    return check(asyncio.run(checked()), platform, nonce="n", now_s=NOW)


def refused(lms: FakePlatform, token: str, platform: Platform = PLATFORM) -> str:
    with pytest.raises(LaunchRefused) as caught:
        accept(lms, token, platform)
    return caught.value.reason


def test_a_genuine_launch_is_read_whole(lms: FakePlatform) -> None:
    found = accept(lms, lms.sign(lms.claims("n")))
    assert (found.user, found.role, found.course, found.link) == (
        *("u1", "student"),
        *("course-1", "link-1"),
    )
    assert (found.exercise, found.family) == ("tiny_layer", "moodle")
    assert found.grades.line_item == lms.line_item
    assert len(found.grades.scopes) == 2


FORGED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "issuer": lambda c: c.update(iss="https://evil.example"),
    "audience": lambda c: c.update(aud="another-tool"),
    "authorized_party": lambda c: c.update(aud=["tool-1", "another-tool"]),
    "expired": lambda c: c.update(exp=NOW - 1),
    "issued_in_future": lambda c: c.update(iat=NOW + 60),
    "nonce_unknown": lambda c: c.update(nonce="another"),
    "version": lambda c: c.update({LTI + "version": "1.1"}),
    "message_type": lambda c: c.update({LTI + "message_type": "LtiStartProctoring"}),
    "deployment": lambda c: c.update({LTI + "deployment_id": "99"}),
    "subject": lambda c: c.pop("sub"),
    "resource_link": lambda c: c.pop(LTI + "resource_link"),
    "malformed": lambda c: c.pop("exp"),
}


@pytest.mark.parametrize("reason", FORGED)
def test_claims_that_are_not_right_are_refused_for_their_own_reason(
    lms: FakePlatform, reason: str
) -> None:
    claims = lms.claims("n")
    FORGED[reason](claims)
    assert refused(lms, lms.sign(claims)) == reason


@pytest.mark.parametrize(
    ("azp", "accepted"), [("tool-1", True), ("another-tool", False), (None, True)]
)
def test_one_audience_needs_no_azp_but_a_wrong_one_is_refused(
    lms: FakePlatform, azp: str | None, accepted: bool
) -> None:
    claims = lms.claims("n") | ({} if azp is None else {"azp": azp})
    if accepted:
        assert accept(lms, lms.sign(claims)).user == "u1"
    else:
        assert refused(lms, lms.sign(claims)) == "authorized_party"


def test_two_audiences_with_the_right_azp_are_accepted(lms: FakePlatform) -> None:
    claims = lms.claims("n") | {"aud": ["x", "tool-1"], "azp": "tool-1"}
    assert accept(lms, lms.sign(claims)).user == "u1"


def test_a_signature_of_another_key_is_refused(lms: FakePlatform) -> None:
    assert refused(lms, lms.sign(lms.claims("n"), OTHER_KEY)) == "signature"


def test_changed_claims_under_a_genuine_signature_are_refused(lms: FakePlatform) -> None:
    header, _, signature = lms.sign(lms.claims("n")).split(".")
    _, claims, _ = unsigned(lms.claims("n", "teacher", "Instructor")).split(".")
    assert refused(lms, f"{header}.{claims}.{signature}") == "signature"


def test_no_signature_and_the_public_key_as_a_secret_are_refused(lms: FakePlatform) -> None:
    assert refused(lms, unsigned(lms.claims("n"))) == "algorithm"
    assert refused(lms, signed_with_public_key(lms.claims("n"), lms.key)) == "algorithm"


def test_a_key_that_is_not_published_is_asked_for_once_more_and_refused(
    lms: FakePlatform,
) -> None:
    before = lms.fetched
    assert refused(lms, lms.sign(lms.claims("n"), new_key("k9"))) == "key_unknown"
    assert lms.fetched == before + 1


@pytest.mark.parametrize(
    "text", ["", "a.b", "a.b.c", "." * 9, "é.é.é", "e30.e30.e30", "x" * 70_000]
)
def test_what_is_no_token_is_refused(lms: FakePlatform, text: str) -> None:
    assert refused(lms, text) in ("malformed", "algorithm")


def test_a_new_key_of_the_platform_is_fetched_at_once() -> None:
    lms, now_s = FakePlatform(Gradebook("canvas"), clock=lambda: NOW, says_alg=True), [0.0]

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(lms.respond)) as client:
            keys = PlatformKeys(client, clock=lambda: now_s[0])
            await keys.verified(lms.sign(lms.claims("n")), PLATFORM)
            await keys.verified(lms.sign(lms.claims("n")), PLATFORM)
            assert lms.fetched == 1
            lms.key, now_s[0] = new_key("k2"), 60.0
            await keys.verified(lms.sign(lms.claims("n")), PLATFORM)
            assert lms.fetched == 2

    asyncio.run(main())


def test_tokens_that_name_keys_which_nobody_has_do_not_flood_the_platform() -> None:
    lms, now_s = FakePlatform(Gradebook("moodle"), clock=lambda: NOW), [0.0]

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(lms.respond)) as client:
            keys = PlatformKeys(client, clock=lambda: now_s[0])
            right, no_key = lms.sign(lms.claims("n")), new_key("k9")
            made_up = [lms.sign(lms.claims("n"), no_key) for _ in range(20)]
            for now_s[0] in (0.0, 60.0):  # a class that launches at once, and a minute later
                together = [keys.verified(one, PLATFORM) for one in (right, right, *made_up)]
                first, second, *others = await asyncio.gather(*together, return_exceptions=True)
                assert first == second == lms.claims("n")
                assert {getattr(one, "reason", None) for one in others} == {"key_unknown"}
            now_s[0] = 65.0
            with pytest.raises(LaunchRefused, match="key_unknown"):
                await keys.verified(made_up[0], PLATFORM)

    asyncio.run(main())
    assert lms.fetched == 2


def test_a_key_that_was_withdrawn_stops_counting_after_an_hour() -> None:
    lms, now_s = FakePlatform(Gradebook("moodle"), clock=lambda: NOW), [0.0]
    old = lms.sign(lms.claims("n"))

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(lms.respond)) as client:
            keys = PlatformKeys(client, clock=lambda: now_s[0])
            await keys.verified(old, PLATFORM)
            lms.key, now_s[0] = new_key("k2"), 3601.0
            with pytest.raises(LaunchRefused, match="key_unknown"):
                await keys.verified(old, PLATFORM)

    asyncio.run(main())


def test_a_platform_whose_keys_cannot_be_had_is_not_the_students_fault() -> None:
    lms = FakePlatform(Gradebook("moodle"), clock=lambda: NOW)
    away = replace(PLATFORM, keys_url="https://lms.example/nothing")
    assert refused(lms, lms.sign(lms.claims("n")), away) == "keys_unreachable"


def test_keys_that_cannot_verify_are_left_out() -> None:
    public = OTHER_KEY.as_dict(private=False)
    assert set(tokens.usable_keys({"keys": [public | {"kid": "a"}]})) == {"a"}
    for changed in ({"alg": "RS512"}, {"use": "enc"}, {"kid": 5}, {"kty": "oct"}, {"n": "!"}):
        assert tokens.usable_keys({"keys": [public | {"kid": "a"} | changed]}) == {}
    assert set(tokens.usable_keys({"keys": [modulus(2048)]})) == {"a"}
    assert tokens.usable_keys({"keys": [modulus(1024)]}) == {}
    assert tokens.usable_keys([1]) == tokens.usable_keys({"keys": 1}) == {}


def modulus(bits: int) -> dict[str, str]:
    n = base64.urlsafe_b64encode(b"\xff" * (bits // 8)).decode().rstrip("=")
    return {"kty": "RSA", "kid": "a", "n": n, "e": "AQAB"}


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ([MEMBERSHIP + "Instructor"], "staff"),
        ([MEMBERSHIP + "Learner"], "student"),
        (["Instructor"], "staff"),
        ([SUB_ROLE + "TeachingAssistant"], "staff"),
        ([MEMBERSHIP + "Instructor#TeachingAssistant"], "staff"),  # Sakai, with two of "#"
        (["TeachingAssistant"], "staff"),
        ([SUB_ROLE + "TeachingAssistant", MEMBERSHIP + "Learner"], "student"),  # Open edX
        (["TeachingAssistant", "Learner"], "student"),
        ([MEMBERSHIP + "Learner", SUB_ROLE + "Grader", MEMBERSHIP + "Instructor"], "staff"),
        ([MEMBERSHIP + "Learner#Instructor"], "student"),
        (["http://purl.imsglobal.org/vocab/lis/v2/institution/person#Instructor"], "student"),
        (["http://purl.imsglobal.org/vocab/lis/v2/system/person#Administrator"], "staff"),
        (
            [
                "http://purl.imsglobal.org/vocab/lis/v2/institution/person#Administrator",
                MEMBERSHIP + "Learner",
            ],
            "student",
        ),
        (["http://evil.example/membership#Instructor"], "student"),
        ([MEMBERSHIP + "Mentor"], "student"),
        ([], "student"),
        ("Instructor", "student"),
        (None, "student"),
        ([None, 5], "student"),
    ],
)
def test_only_a_role_in_this_course_makes_staff(roles: Any, expected: str) -> None:
    assert role(roles) == expected


def test_a_variable_that_the_platform_did_not_fill_in_is_absent(lms: FakePlatform) -> None:
    claims = lms.claims("n") | {LTI + "custom": {"exercise": "$ResourceLink.exercise"}}
    assert accept(lms, lms.sign(claims)).exercise == ""


def test_a_review_says_whose_submission_it_is_about(lms: FakePlatform) -> None:
    claims = lms.claims("n", "teacher", "Instructor")
    claims[LTI + "message_type"] = "LtiSubmissionReviewRequest"
    assert refused(lms, lms.sign(claims)) == "message"
    claims[LTI + "for_user"] = {"user_id": "u7"}
    assert accept(lms, lms.sign(claims)).for_user == "u7"


def test_a_chooser_needs_somewhere_to_return_a_link_to(lms: FakePlatform) -> None:
    claims = lms.deep_linking_claims("n")
    found = accept(lms, lms.sign(claims)).deep_linking
    assert found is not None and found.data == "opaque"
    assert found.return_url == "https://lms.example/deep"
    for changed in (
        {"accept_types": ["file"]},
        {"deep_link_return_url": "javascript:alert(1)"},
        {"accept_types": None},
    ):
        assert refused(lms, lms.sign(lms.deep_linking_claims("n", **changed))) == "message"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NAMES = sorted(FakePlatform(Gradebook("moodle"), key=OTHER_KEY).deep_linking_claims("n"))


@given(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4), st.sampled_from([0, 1]))
def test_any_claims_are_a_launch_or_a_refusal(changed: dict[str, Any], kind: int) -> None:
    lms = FakePlatform(Gradebook("moodle"), clock=lambda: NOW, key=OTHER_KEY)
    claims = [lms.claims("n"), lms.deep_linking_claims("n")][kind] | changed
    try:
        found = check(claims, PLATFORM, nonce="n", now_s=NOW)
    except LaunchRefused:
        return
    assert found.user and found.deployment == "1"
    for text in (found.user, found.course, found.link, found.exercise):
        assert "\0" not in text
        text.encode()


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_refusal_says_what_to_do(reason: Reason) -> None:
    refusal = LaunchRefused(reason, "detail")
    assert refusal.advice.endswith((".", "below.")) and 400 <= refusal.status < 600
