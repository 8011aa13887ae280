"""Signatures are those of Standard Webhooks, and nothing else is let through."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from grader.errors import UsageError
from grader.service.webhooks.signatures import (
    SignatureRefused,
    key_of,
    new_secret,
    sign,
    verify,
    verify_body,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""Of the specification's own example."""
ID, AT = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_specifications_own_example() -> None:
    assert sign(SECRET, ID, AT, BODY) == SIGNATURE
    verify([SECRET], ID, str(AT), SIGNATURE, BODY, now_s=AT)


@given(st.binary(max_size=300).filter(lambda data: _is_text(data)), st.integers(1, 2**31))
def test_we_sign_as_the_library_does(body: bytes, at: int) -> None:
    secret = "whsec_" + base64.b64encode(body[:24].ljust(24, b"k")).decode()
    theirs = Webhook(secret).sign(ID, datetime.fromtimestamp(at, UTC), body.decode())
    assert sign(secret, ID, at, body) == theirs
    verify([secret], ID, str(at), theirs, body, now_s=at)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@given(st.text(max_size=50), st.text(max_size=50), st.text(max_size=200), st.binary(max_size=100))
def test_nothing_that_is_not_signed_is_let_through_or_breaks_it(
    message_id: str, timestamp: str, signatures: str, body: bytes
) -> None:
    with pytest.raises(SignatureRefused):
        verify([SECRET], message_id, timestamp, signatures, body, now_s=AT)
    with pytest.raises(SignatureRefused):
        verify([SECRET], ID, str(AT), signatures, body, now_s=AT)
    with pytest.raises(SignatureRefused):
        verify_body([SECRET], signatures, body)


@pytest.mark.parametrize("late_s", [-300, 0, 300])
def test_a_clock_may_differ_by_five_minutes(late_s: int) -> None:
    verify([SECRET], ID, str(AT), SIGNATURE, BODY, now_s=AT + late_s)


@pytest.mark.parametrize("late_s", [-301, 301, 86_400])
def test_and_by_no_more(late_s: int) -> None:
    with pytest.raises(SignatureRefused, match="300 s"):
        verify([SECRET], ID, str(AT), SIGNATURE, BODY, now_s=AT + late_s)


@pytest.mark.parametrize("change", ["id", "timestamp", "body", "secret"])
def test_a_signature_covers_id_timestamp_and_body(change: str) -> None:
    message_id = ID + "x" if change == "id" else ID
    timestamp = AT + 1 if change == "timestamp" else AT
    body = BODY + b" " if change == "body" else BODY
    secret = new_secret() if change == "secret" else SECRET
    with pytest.raises(SignatureRefused, match="no secret"):
        verify([secret], message_id, str(timestamp), SIGNATURE, body, now_s=AT)


def test_any_live_secret_and_any_of_the_signatures_will_do() -> None:
    older, newer = new_secret(), new_secret()
    both = f"v1a,asymmetric v1,bm9uZQ== {sign(older, ID, AT, BODY)}"
    verify([newer, older], ID, str(AT), both, BODY, now_s=AT)
    with pytest.raises(SignatureRefused):
        verify([newer], ID, str(AT), both, BODY, now_s=AT)
    with pytest.raises(SignatureRefused):
        verify([], ID, str(AT), both, BODY, now_s=AT)


@pytest.mark.parametrize("prefix", ["", "sha256="])
def test_a_forges_signature_covers_the_body(prefix: str) -> None:
    # The example of GitHub's documentation.
    digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    secret = "It's a Secret to Everybody"
    verify_body(["another", secret], prefix + digest, b"Hello, World!")
    with pytest.raises(SignatureRefused):
        verify_body([secret], prefix + digest, b"Hello, World?")
    with pytest.raises(SignatureRefused):
        verify_body([secret], prefix, b"Hello, World!")


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_AAAA", "whsec_!!!", "AAAA" * 10])
def test_a_secret_that_is_none_is_refused(secret: str) -> None:
    with pytest.raises(UsageError, match="whsec_"):
        key_of(secret)


def test_new_secrets_differ_and_are_long() -> None:
    assert new_secret() != new_secret()
    assert len(key_of(new_secret())) == 32
