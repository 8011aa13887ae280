"""Get the token with which a platform's services are called."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from grader.service.lti.fetching import Unanswered, exchange, json_of, words_of
from grader.service.lti.keys import KeyPair
from grader.service.lti.platform import Platform
from grader.service.lti.tokens import sign

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_VALID_S = 240
_MARGIN_S = 60.0
"""How long before its end a token is not used any more."""

Scopes = tuple[str, ...]


@dataclass(frozen=True)
class _Token:
    text: str
    until_s: float

    def __repr__(self) -> str:
        return "_Token(...)"


class ServiceTokens:
    """One token a platform and set of scopes, renewed before it ends or when it is refused."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        signing_key: Callable[[], KeyPair],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._signing_key = signing_key
        self._clock = clock
        self._kept: dict[tuple[str, Scopes], _Token] = {}

    async def get(self, platform: Platform, scopes: Scopes) -> str:
        """Return a token that is good for a minute at least.

        Args:
            scopes: what the platform offered; Canvas refuses to be asked for more.

        Raises:
            Unanswered: the platform did not give one.
        """
        kept = self._kept.get((platform.id, scopes))
        if kept is None or kept.until_s < self._clock() + _MARGIN_S:
            kept = await self._ask(platform, scopes)
            self._kept[platform.id, scopes] = kept
        return kept.text

    def forget(self, refused: str) -> None:
        """Drop a token that was refused."""
        self._kept = {key: kept for key, kept in self._kept.items() if kept.text != refused}

    async def _ask(self, platform: Platform, scopes: Scopes) -> _Token:
        asked_s = self._clock()
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": _ASSERTION,
            "client_assertion": assertion(platform, self._signing_key(), asked_s),
            "scope": " ".join(scopes),
        }
        response = await exchange(self._client, "POST", platform.token_url, data=form)
        if response.status_code != 200:
            raise Unanswered(words_of(response), status=response.status_code)
        answer = json_of(response)
        text = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(text, str) or not text.isascii() or not text.isprintable():
            raise Unanswered("the answer holds no access_token", status=response.status_code)
        lasts = answer.get("expires_in")
        known = isinstance(lasts, int | float) and 0 < lasts < 1e6
        return _Token(text, asked_s + (lasts if known else _MARGIN_S))


def assertion(platform: Platform, key: KeyPair, now_s: float) -> str:
    """Return the signed statement of who we are, good for four minutes and one use."""
    claims = {
        "iss": platform.client_id,
        "sub": platform.client_id,
        "aud": platform.token_audience,
        "iat": int(now_s),
        "exp": int(now_s) + _VALID_S,
        "jti": secrets.token_urlsafe(24),
    }
    return sign(claims, key)
