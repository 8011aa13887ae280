"""Sign and verify webhooks over their raw bytes.

The library `standardwebhooks` 1.x raises uncaught errors on a signature without a comma and on a
body that is not UTF-8, and knows one secret only. The tests compare with it.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable

from grader.errors import UsageError

TOLERANCE_S = 300
"""How far the sender's clock may be from ours, both ways."""

_PREFIX = "whsec_"
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)


class SignatureRefused(Exception):
    """The message is not from who holds a secret; the text says what is wrong, never a secret."""


def new_secret() -> str:
    """Return a new secret, as it is shown to whoever sets the sender up."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """Return the key that a Standard Webhooks secret stands for.

    Raises:
        UsageError: it is not whsec_ and base64 of 24 to 64 bytes.
    """
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or not 24 <= len(key) <= 64:
        raise UsageError("a secret is whsec_ followed by the base64 of 24 to 64 random bytes")
    return key


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return one signature of a message, as it stands in webhook-signature."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.digest(key_of(secret), signed, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def verify(
    live: Iterable[str],
    message_id: str,
    timestamp: str,
    signatures: str,
    body: bytes,
    *,
    now_s: float,
) -> None:
    """Verify a Standard Webhooks message.

    Args:
        live: the secrets that are accepted now.
        message_id, timestamp, signatures: of the headers; "" where one is missing.
        now_s: seconds since 1970.

    Raises:
        SignatureRefused: no secret made any of the signatures, or the message is too old or new.
    """
    if not (message_id and timestamp and signatures):
        raise SignatureRefused("webhook-id, webhook-timestamp and webhook-signature are needed")
    if not _TIMESTAMP.fullmatch(timestamp) or abs(int(timestamp) - now_s) > TOLERANCE_S:
        raise SignatureRefused(f"webhook-timestamp is not within {TOLERANCE_S} s of our clock")
    given = [part.encode("utf-8", "replace") for part in signatures.split(" ")[:20]]
    if not _any_same((sign(one, message_id, int(timestamp), body) for one in live), given):
        raise SignatureRefused("no secret of this source made this signature")


def verify_body(live: Iterable[str], signature: str, body: bytes) -> None:
    """Verify a forge's signature, hex over the body alone; "sha256=" may stand before it.

    Raises:
        SignatureRefused: no secret made it.
    """
    given = signature.removeprefix("sha256=").encode("utf-8", "replace")
    digests = (hmac.new(one.encode(), body, hashlib.sha256).hexdigest() for one in live)
    if not _any_same(digests, [given]):
        raise SignatureRefused("no secret of this source made this signature")


def _any_same(ours: Iterable[str], given: list[bytes]) -> bool:
    """Compare all with all, each in constant time, without stopping at a hit."""
    return sum(hmac.compare_digest(one.encode(), it) for one in ours for it in given) > 0
