"""Call platforms without being led to our own addresses: the guard, for coroutines."""

import asyncio
from collections.abc import Sequence

import httpx

from grader.service.addresses import AddressRefused, authorities, public_address
from grader.service.lti.ags.gateway import LEAST_TIMEOUT_S
from grader.service.packing import UNPACKED
from grader.service.setting_values import Network


class _Guarded(httpx.AsyncBaseTransport):
    """Connects only to addresses that may be called; see addresses.GuardedTransport."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = tuple(allowed)
        # No connection is kept: it would be found again by its address, whoever's name it had.
        self._inner = httpx.AsyncHTTPTransport(
            verify=authorities(), limits=httpx.Limits(max_keepalive_connections=0)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host, port = request.url.host, request.url.port or 443
        try:
            address = await asyncio.to_thread(public_address, host, port, self._allowed)
        except AddressRefused as error:
            raise httpx.ConnectError(str(error), request=request) from None
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=address)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def client(allowed: Sequence[Network]) -> httpx.AsyncClient:
    """Return a client for platforms: guarded, patient, no redirects, no proxies, no cookies kept.

    Args:
        allowed: private networks that may be called.
    """
    return httpx.AsyncClient(
        transport=_Guarded(allowed),
        timeout=httpx.Timeout(LEAST_TIMEOUT_S, connect=10.0),
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": "nnx-grader", **UNPACKED},
    )
