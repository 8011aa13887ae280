"""Make, publish and rotate the RSA keys that this tool signs with."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from joserfc.jwk import RSAKey

BITS = 2048
LEAD = timedelta(hours=24)
"""How long a new key is published before it signs: platforms keep what they fetched for hours."""
TAIL = timedelta(days=7)
"""How long an old key stays published after the next one signs."""


@dataclass(frozen=True)
class KeyPair:
    """A key of ours.

    Attributes:
        kid: its RFC 7638 thumbprint.
        private: the whole key as a JWK; secret.
        created_at: when it was made, and first published.
    """

    kid: str
    private: dict[str, Any]
    created_at: datetime

    def __repr__(self) -> str:
        return f"KeyPair({self.kid!r})"


def make(now: datetime) -> KeyPair:
    """Return a new key pair."""
    key = RSAKey.generate_key(BITS)
    kid = key.thumbprint()
    return KeyPair(kid, dict(key.as_dict(private=True), kid=kid), now)


def signing(keys: Iterable[KeyPair], now: datetime) -> KeyPair:
    """Return the key that signs: the newest that has been published long enough, else the oldest.

    Raises:
        ValueError: there is no key.
    """
    ordered = sorted(keys, key=lambda key: key.created_at)
    ripe = [key for key in ordered if key.created_at + LEAD <= now]
    if not ordered:
        raise ValueError("there is no key to sign with")
    return ripe[-1] if ripe else ordered[0]


def published(keys: Iterable[KeyPair], now: datetime) -> dict[str, Any]:
    """Return the JWK set of every key that signs, will sign, or signed until lately."""
    return {"keys": [_public(key) for key in _kept(keys, now)]}


def stale(keys: Iterable[KeyPair], now: datetime) -> list[KeyPair]:
    """Return the keys that nobody needs any more."""
    ordered = list(keys)
    kept = {key.kid for key in _kept(ordered, now)}
    return [key for key in ordered if key.kid not in kept]


def _kept(keys: Iterable[KeyPair], now: datetime) -> list[KeyPair]:
    ordered = sorted(keys, key=lambda key: key.created_at)
    kept = []
    for key, following in zip(ordered, [*ordered[1:], None], strict=True):
        if following is None or following.created_at + LEAD + TAIL > now:
            kept.append(key)
    return kept


def _public(key: KeyPair) -> dict[str, Any]:
    public = RSAKey.import_key(key.private).as_dict(private=False)
    return {**public, "kid": key.kid, "alg": "RS256", "use": "sig"}
