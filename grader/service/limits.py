"""Refuse whoever asks too often; deliveries have a limit of their own, the depth of the queue.

A class sits behind one address. So an address answers for strangers, and for what a known user asks
beyond what a browser needs.
"""

import ipaddress
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.exceptions import TooManyRequestsException
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

_WINDOW_S = 60
_FREE = ("/hooks/", "/static/", "/healthz", "/readyz", "/metrics")
_EACH = 120
"""Requests of one user in a minute that their address does not answer for: opening the exercise,
handing in and reading the report are a dozen, and a page that polls asks every three seconds."""
_TRANSFER = "transfer_request"


class RequestLimit(ASGIMiddleware):
    """Counts the requests of each address in a minute; all counts start anew with the next.

    Args:
        per_minute: of one address; what `belongs_to` a user is not counted up to _EACH.
        clock: seconds that never run backwards.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute, self._clock = per_minute, clock
        self._window = 0
        self._addresses, self._users = Counter[str](), Counter[str]()

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass a request on, or refuse it with 429."""
        if scope["type"] == ScopeType.HTTP and not scope["path"].startswith(_FREE):
            address = _network(scope)
            self._count(address)
            scope["state"][_TRANSFER] = partial(self._transfer, address, self._window)
        await next_app(scope, receive, send)

    def _count(self, address: str) -> None:
        window, passed_s = divmod(self._clock(), _WINDOW_S)
        if window != self._window:
            self._window = int(window)
            self._addresses, self._users = Counter(), Counter()
        self._addresses[address] += 1
        if self._addresses[address] > self._per_minute:
            later = {"Retry-After": str(int(_WINDOW_S - passed_s) + 1)}
            raise TooManyRequestsException("too many requests; try again later", headers=later)

    def _transfer(self, address: str, window: int, user: str) -> None:
        if window == self._window and self._users[user] < _EACH:
            self._users[user] += 1
            self._addresses[address] -= 1


def belongs_to(connection: ASGIConnection, user: str) -> None:  # type: ignore[type-arg]
    """Count a request against its user, once they have proven who they are."""
    transfer = connection.scope["state"].get(_TRANSFER)
    if transfer is not None:
        transfer(user)


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
