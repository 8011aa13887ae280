"""Keep the public keys of platforms, and fetch them again when a message names a new one."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
from joserfc.jwk import RSAKey

from grader.service.lti.fetching import platform_keys
from grader.service.lti.platform import Platform
from grader.service.lti.refusals import LaunchRefused
from grader.service.lti.tokens import key_id, usable_keys, verify

_FRESH_S = 3600.0
"""How long keys are kept: a key that a platform has withdrawn stops counting after it."""
_NEW_S = 10.0
"""How old they are before a key that is not among them is asked for: anybody can begin a login, and
answer it with a token that names a key which nobody has."""


class PlatformKeys:
    """The keys of every platform that launched lately."""

    def __init__(
        self, client: httpx.AsyncClient, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._clock = clock
        self._kept: dict[str, tuple[float, dict[str, RSAKey]]] = {}
        self._asked: dict[str, asyncio.Task[dict[str, RSAKey]]] = {}

    async def verified(self, token: str, platform: Platform) -> dict[str, Any]:
        """Return the claims of a token that this platform signed.

        Raises:
            LaunchRefused: it did not, or its keys cannot be had.
        """
        kid = key_id(token)
        return verify(token, await self._key(platform.keys_url, kid))

    async def _key(self, url: str, kid: str) -> RSAKey:
        fetched_at, keys = self._kept.get(url, (-_FRESH_S, {}))
        if self._clock() - fetched_at >= (_FRESH_S if kid in keys else _NEW_S):
            keys = await self._anew(url)
        if kid not in keys:
            raise LaunchRefused("key_unknown", f"the platform publishes no key {kid[:100]!r}")
        return keys[kid]

    async def _anew(self, url: str) -> dict[str, RSAKey]:
        """Ask for keys, once for all who need them meanwhile."""
        asked = self._asked.get(url)
        if asked is None:
            asked = self._asked[url] = asyncio.create_task(self._fetch(url))
            asked.add_done_callback(lambda _: self._asked.pop(url))
        return await asyncio.shield(asked)

    async def _fetch(self, url: str) -> dict[str, RSAKey]:
        keys = usable_keys(await platform_keys(self._client, url))
        self._kept[url] = (self._clock(), keys)
        return keys
