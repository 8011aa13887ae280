"""No address that others give leads to our own network."""

import http.server
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from grader.service.addresses import (
    AddressRefused,
    authorities,
    client,
    is_public,
    public_address,
)
from grader.service.lti import transport

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "240.0.0.1"),
        *("::", "::1", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1"),
        # IPv4 inside IPv6: mapped, NAT64, 6to4, Teredo.
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::"),
        *("2002:a9fe:a9fe::", "2001:0:4136:e378:8000:63bf:80ff:fffe"),
        # A network's own NAT64, site-local, IPv4 in forms out of use; what clouds tell secrets at.
        *("64:ff9b:1::a9fe:a9fe", "fec0::1", "::7f00:1", "::ffff:0:7f00:1"),
        *("168.63.129.16", "::ffff:168.63.129.16", "192.0.0.192"),
    ],
)
def test_what_is_not_everybodys_is_refused(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8"])
def test_what_is_everybodys_is_not(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1/", "http://localhost/", "http://2130706433/", "http://0x7f.1/"),
        *("http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://127.1/", "http://0/"),
        "http://user@127.0.0.1/",
    ],
)
def test_every_spelling_of_ourselves_is_refused(url: str) -> None:
    with client(()) as guarded, pytest.raises((AddressRefused, httpx.ConnectError)):
        guarded.get(url)


def answering(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Let the name server give these answers, one after the other; returns what was asked."""
    asked: list[str] = []
    left = list(answers)

    def resolve(host: str, port: int, **how: Any) -> list[Any]:
        asked.append(host)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found.split()]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def test_a_host_with_one_private_address_among_others_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answering(monkeypatch, "93.184.216.34 10.0.0.1")
    with pytest.raises(AddressRefused, match=r"10\.0\.0\.1"):
        public_address("evil.example.org", 443, ())


@pytest.fixture
def local() -> Iterator[tuple[int, list[dict[str, str]]]]:
    """A server on loopback: its port, and the headers of what it was asked."""
    seen: list[dict[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(dict(self.headers))
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, seen
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_connection_goes_to_the_address_that_was_judged(
    monkeypatch: pytest.MonkeyPatch, local: tuple[int, list[dict[str, str]]]
) -> None:
    """A second answer of the name server, after the check, would be private: it is never asked."""
    port, seen = local
    original: Callable[..., Any] = socket.getaddrinfo
    asked: list[str] = []

    def resolve(host: str, *how: Any, **more: Any) -> Any:
        asked.append(host)
        # httpcore resolves what it is given: an address by now, which resolves to itself.
        return original("127.0.0.1" if host == "hooks.example.org" else host, *how, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with client((LOOPBACK,)) as guarded:
        answer = guarded.get(f"http://hooks.example.org:{port}/")
    assert asked.count("hooks.example.org") == 1
    assert seen[0]["Host"] == f"hooks.example.org:{port}"
    assert answer.status_code == 302  # and it was not followed
    assert seen[0]["Accept-Encoding"] == "identity"


def test_who_vouches_for_names_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read, original = [], ssl.create_default_context

    def count(**how: Any) -> ssl.SSLContext:
        read.append(original(**how))
        return read[-1]

    monkeypatch.setattr(ssl, "create_default_context", count)
    authorities.cache_clear()
    for make in (client, client, transport.client):
        make(())
    [context] = read
    assert context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname


def test_an_allowed_network_is_reached_and_no_other(
    local: tuple[int, list[dict[str, str]]],
) -> None:
    port, seen = local
    with client((ipaddress.ip_network("10.0.0.0/8"),)) as guarded, pytest.raises(AddressRefused):
        guarded.get(f"http://127.0.0.1:{port}/")
    assert seen == []


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
def test_a_server_that_trickles_is_not_waited_for(head: bytes) -> None:
    """Each of its bytes comes in time: headers without an end, or a body."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)

        def trickle() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(head or b"HTTP/1.1 200 OK\r\nX: ")
                while True:
                    connection.sendall(b"x")
                    time.sleep(0.05)

        thread = threading.Thread(target=trickle)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        calling = client([LOOPBACK], timeout_s=60, total_s=0.5)
        with calling, pytest.raises(httpx.HTTPError):
            calling.get(url)
        thread.join(60)
        assert not thread.is_alive()
