"""Describe a registered platform: what its signatures are held against, and where to call it."""

from dataclasses import dataclass


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
        approved: whether the operator let it in.
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
