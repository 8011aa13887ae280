"""Refuse whoever asks too often; deliveries have a limit of their own, the depth of the queue."""

import ipaddress
import time
from collections import Counter
from collections.abc import Callable

from litestar.enums import ScopeType
from litestar.exceptions import TooManyRequestsException
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

_WINDOW_S = 60
_FREE = ("/hooks/", "/static/", "/healthz", "/readyz", "/metrics")


class RequestLimit(ASGIMiddleware):
    """Counts the requests of each address in a minute; all counts start anew with the next.

    Args:
        clock: seconds that never run backwards.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute, self._clock = per_minute, clock
        self._window, self._counts = 0, Counter[str]()

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass a request on, or refuse it with 429."""
        if scope["type"] == ScopeType.HTTP and not scope["path"].startswith(_FREE):
            self._count(_network(scope))
        await next_app(scope, receive, send)

    def _count(self, network: str) -> None:
        window, passed_s = divmod(self._clock(), _WINDOW_S)
        if window != self._window:
            self._window, self._counts = int(window), Counter()
        self._counts[network] += 1
        if self._counts[network] > self._per_minute:
            later = {"Retry-After": str(int(_WINDOW_S - passed_s) + 1)}
            raise TooManyRequestsException("too many requests; try again later", headers=later)


def _network(scope: Scope) -> str:
    """Return the address that asks; of IPv6 the network that one household or host has."""
    client = scope.get("client")
    try:
        address = ipaddress.ip_address(client[0] if client else "")
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
