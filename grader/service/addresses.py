"""Call others' addresses without being led to our own: the guard against forged requests.

A name is resolved once, every address is judged, and the connection goes to one that was judged: a
second answer of the name server changes nothing.
"""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import httpx

from grader.service.packing import UNPACKED
from grader.service.setting_values import Network

TOTAL_S = 90.0
"""Seconds for one request: less than anybody's lease lasts who makes it."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# These carry an IPv4 address inside, which a router of ours may unpack.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_OURS = (
    *(ipaddress.ip_network("64:ff9b:1::/48"), ipaddress.ip_network("fec0::/10")),
    *(ipaddress.ip_network("::/96"), ipaddress.ip_network("::ffff:0:0:0/96")),
    *(ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("168.63.129.16/32")),
)
"""Everybody's by the `ipaddress` of some Python, and still a network's own: its NAT64 (RFC 8215),
site-local ones, IPv4 in two forms that are out of use, and two at which machines in clouds ask for
their secrets, Oracle's and Azure's."""


class AddressRefused(Exception):
    """An address is private, or none at all."""


class GuardedTransport(httpx.BaseTransport):
    """Connects only to public addresses, and to private ones that are allowed by name.

    Args:
        allowed: networks that may be called although they are private.
        total_s: seconds for all of a request, however slowly its bytes trickle.
    """

    def __init__(self, allowed: Sequence[Network], total_s: float) -> None:
        self._allowed, self._total_s = tuple(allowed), total_s
        # No connection is kept: it would be found again by its address, whoever's name it had.
        self._inner = httpx.HTTPTransport(
            verify=authorities(), limits=httpx.Limits(max_keepalive_connections=0)
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the address that was judged; the name stays in Host and in TLS."""
        host = request.url.host
        address = public_address(host, request.url.port or 443, self._allowed)
        deadline = _Deadline(self._total_s)
        extensions = {"sni_hostname": host, "trace": deadline.trace}
        request.extensions = {**request.extensions, **extensions}
        request.url = request.url.copy_with(host=address)
        try:
            response = self._inner.handle_request(request)
        except BaseException:
            deadline.close()
            raise
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = _UntilClosed(response.stream, deadline)
        return response

    def close(self) -> None:
        """Close what is open."""
        self._inner.close()


class _Deadline:
    """Ends a connection when its time is over: httpx bounds each read, and not all of them."""

    def __init__(self, seconds: float) -> None:
        self._twin: socket.socket | None = None
        self._is_over = False
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Take note of the connection; see httpx's request extensions."""
        if event == "connection.connect_tcp.complete":
            # A descriptor of our own: TLS takes that of the connection over.
            self._twin = info["return_value"].get_extra_info("socket").dup()
            if self._is_over:  # before there was anything to end
                self._end()

    def close(self) -> None:
        """Let the connection be."""
        self._timer.cancel()
        if self._twin is not None:
            self._twin.close()

    def _end(self) -> None:
        self._is_over = True
        if self._twin is not None:
            with suppress(OSError):
                self._twin.shutdown(socket.SHUT_RDWR)


class _UntilClosed(httpx.SyncByteStream):
    """A response's body, whose end is that of its deadline."""

    def __init__(self, inner: httpx.SyncByteStream, deadline: _Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._inner)

    def close(self) -> None:
        """Close the body."""
        self._deadline.close()
        self._inner.close()


def client(
    allowed: Sequence[Network], *, timeout_s: float = 30.0, total_s: float = TOTAL_S
) -> httpx.Client:
    """Return a client for addresses that others gave: guarded, no redirects, no proxies."""
    return httpx.Client(
        transport=GuardedTransport(allowed, total_s),
        timeout=timeout_s,
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": "nnx-grader", **UNPACKED},
    )


@cache
def authorities() -> ssl.SSLContext:
    """Return who vouches for names, as the environment says: read once, it takes 0.05 CPU s."""
    return httpx.create_ssl_context()


def public_address(host: str, port: int, allowed: Sequence[Network]) -> str:
    """Return an address of a host that may be called.

    Raises:
        AddressRefused: it has none; a host of which any address is private has none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError(f"{host!r} cannot be resolved: {error}") from None
    addresses = [ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found]
    for address in addresses:
        if not is_public(address) and not any(address in network for network in allowed):
            raise AddressRefused(
                f"{host!r} is at {address}, which is not public; allow its network with "
                "GRADER_ALLOW_NETWORKS if it is meant"
            )
    if not addresses:
        raise httpx.ConnectError(f"{host!r} has no address")
    return str(addresses[0])


def is_public(address: _Address) -> bool:
    """Return whether an address is anybody's, and so is whatever it carries inside."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    is_ours = any(address in network for network in _OURS)
    return address.is_global and not address.is_multicast and not is_ours
