"""Serve applications on this machine, for real browsers and real processes."""

import datetime
import ipaddress
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from processes import PATIENCE_S

from service.lti.fake_platform import new_key

Respond = Callable[[httpx.Request], Awaitable[httpx.Response]]


def asgi(respond: Respond) -> Any:
    """Return an ASGI application that answers as a fake platform does."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        host = dict(scope["headers"])[b"host"].decode()
        url = f"{scope['scheme']}://{host}{scope['path']}"
        query = scope["query_string"].decode()
        request = httpx.Request(
            scope["method"],
            f"{url}?{query}" if query else url,
            headers=scope["headers"],
            content=body,
        )
        answer = await respond(request)
        start = {"status": answer.status_code, "headers": answer.headers.raw}
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": answer.content})

    return app


@contextmanager
def serving(app: Any, port: int, certificate: Path | None = None) -> Iterator[None]:
    """Serve an application until the block ends; with a certificate over https."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        log_config=None,
        lifespan="off",
        ssl_certfile=certificate,
        ssl_keyfile=certificate,
        # The oldest uvicorn that we take makes uvloop the loop of this whole process, and uvloop
        # runs what JAX registered for forks when it starts a browser: JAX warns.
        loop="asyncio",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.01)
    yield
    server.should_exit = True
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def certificate(folder: Path) -> Path:
    """Write a certificate of our own, and its key."""
    key = new_key("tls").raw_value
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost"), address]), False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    file = folder / "certificate.pem"
    file.write_bytes(built.public_bytes(serialization.Encoding.PEM) + private)
    return file
