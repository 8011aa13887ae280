"""Describe a registered platform: what its signatures are held against, and where to call it."""

from dataclasses import dataclass

from grader.errors import UsageError
from grader.service.lti.claims import host_of, origin

_LOOPBACK = ("localhost", "127.0.0.1")


@dataclass(frozen=True, kw_only=True)
class Platform:
    """One registration: an issuer that knows this tool by one client id.

    Attributes:
        id: ours.
        issuer: `iss` of its messages.
        login_url: where a browser is sent to sign in; token_url: where services ask for a token.
        token_audience: `aud` of what is sent to token_url. Some platforms want another than that.
        keys_url: its public keys, as a JWK set.
        family: "moodle", "canvas", ...; "" when it did not say.
        deployments: ids that may launch.
        any_deployment: whether ids not seen before may launch too, and are kept.
        approved: whether the operator let it in, and has not shut it out since.
        blocked: whether the operator shut it out.
        frames: origins besides its own whose pages may show ours inside them.
    """

    id: str
    issuer: str
    client_id: str
    login_url: str
    token_url: str
    token_audience: str
    keys_url: str
    family: str = ""
    deployments: frozenset[str] = frozenset()
    any_deployment: bool = False
    approved: bool = True
    blocked: bool = False
    frames: tuple[str, ...] = ()


def frame(address: str) -> str:
    """Return the origin of a page that may show ours inside it.

    Raises:
        UsageError: it is an address of more than that, or anybody on the way could change the page.
    """
    found = origin(address)
    if not found or address.lower().rstrip("/") != found:
        raise UsageError(f"a frame is https://, a host and perhaps a port, not {address!r}")
    if found.startswith("http:") and host_of(found) not in _LOOPBACK:
        raise UsageError(f"a frame is at https, but on this machine: {address!r}")
    return found
