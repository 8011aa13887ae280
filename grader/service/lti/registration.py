"""Register at a platform that offers dynamic registration, and describe this tool to it.

The platform opens our address with its configuration's; we read that, post what this tool is, and
keep the client id that comes back. Pure: documents in, documents out; the routes do the calls.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from grader.errors import UsageError
from grader.service.lti import names
from grader.service.lti.claims import host_of, object_of
from grader.service.lti.platform import Platform

TITLE = "JAX and Flax exercises"
DESCRIPTION = "Exercises that are graded behind a wall, with a report that says why."

_PLACEMENTS = ("assignment_selection", "link_selection")
"""Where Canvas offers the chooser; it alone asks."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """The addresses of this tool, as platforms know them."""

    base_url: str

    @property
    def login(self) -> str:
        """Where a login begins."""
        return f"{self.base_url}/lti/login"

    @property
    def launch(self) -> str:
        """Where every message arrives."""
        return f"{self.base_url}/lti/launch"

    @property
    def keys(self) -> str:
        """Our public keys."""
        return f"{self.base_url}/lti/jwks"

    @property
    def register(self) -> str:
        """What an administrator pastes into a platform."""
        return f"{self.base_url}/lti/register"


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What a platform says about itself.

    Attributes:
        messages: what it sends to tools; empty when it does not say.
    """

    issuer: str
    login_url: str
    token_url: str
    token_audience: str
    keys_url: str
    register_url: str
    family: str
    scopes: tuple[str, ...]
    messages: tuple[str, ...]


def read_configuration(document: Any, *, fetched_from: str) -> Configuration:
    """Return what an OpenID configuration says.

    Raises:
        UsageError: something is missing, it registers tools at a host that is not its own, or it
            is a Canvas.
    """
    if not isinstance(document, dict):
        raise UsageError("the platform's configuration is no JSON object")
    special = object_of(document, names.PLATFORM_CONFIGURATION)
    family = _text(special, "product_family_code").lower()
    if family == "canvas":  # before its hosts are compared: it registers tools at another one
        raise UsageError("register Canvas by its developer key: /lti/canvas.json, see docs/lti.md")
    sent = _listed(special, "messages_supported")
    found = Configuration(
        issuer=_address(document, "issuer"),
        login_url=_address(document, "authorization_endpoint"),
        token_url=_address(document, "token_endpoint"),
        token_audience=_audience(document),
        keys_url=_address(document, "jwks_uri"),
        register_url=_address(document, "registration_endpoint"),
        family=family,
        scopes=tuple(s for s in _listed(document, "scopes_supported") if s in names.SCOPES),
        messages=tuple(_text(one, "type") for one in sent if isinstance(one, dict)),
    )
    # The registration token goes to this address: it must not leave the platform.
    if host_of(found.register_url) != host_of(fetched_from):
        raise UsageError("the platform's configuration registers tools at another host")
    if fetched_from.startswith("https://") and not found.register_url.startswith("https://"):
        raise UsageError("the platform's configuration registers tools by http")
    return found


def speaks_for_its_issuer(configuration: Configuration) -> bool:
    """Whether all that a configuration names is the issuer's own host, which it came from.

    Anybody can write a configuration that names somebody else as its issuer; one that names
    others' addresses is for the operator to look at.
    """
    addresses = (
        configuration.register_url,
        configuration.login_url,
        configuration.token_url,
        configuration.token_audience,
        configuration.keys_url,
    )
    return {host_of(address) for address in addresses} == {host_of(configuration.issuer)}


def request(tool: Tool, configuration: Configuration) -> dict[str, Any]:
    """Return the client registration to post: ids only are asked for, no names, no addresses."""
    chooser = {
        "type": names.DEEP_LINKING_REQUEST,
        "target_link_uri": tool.launch,
        "label": TITLE,
    }
    review = {"type": names.REVIEW_REQUEST, "target_link_uri": tool.launch}
    sent = configuration.messages or (names.DEEP_LINKING_REQUEST, names.REVIEW_REQUEST)
    offered = configuration.scopes or names.SCOPES
    return {
        "application_type": "web",
        "response_types": ["id_token"],
        "grant_types": ["implicit", "client_credentials"],
        "initiate_login_uri": tool.login,
        "redirect_uris": [tool.launch],
        "client_name": TITLE,
        "jwks_uri": tool.keys,
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": " ".join(scope for scope in names.SCOPES if scope in offered),
        names.TOOL_CONFIGURATION: {
            "domain": urlsplit(tool.base_url).netloc,
            "description": DESCRIPTION,
            "target_link_uri": tool.launch,
            "claims": ["iss", "sub"],
            "messages": [one for one in (chooser, review) if one["type"] in sent],
        },
    }


def registered(configuration: Configuration, answer: Any, *, id: str, approved: bool) -> Platform:
    """Return the platform that a registration's answer completes.

    A platform that does not name its deployment there may launch from any: each is kept.

    Raises:
        UsageError: the answer holds no client id.
    """
    if not isinstance(answer, dict) or not _text(answer, "client_id"):
        raise UsageError("the platform's answer to the registration holds no client_id")
    special = answer.get(names.TOOL_CONFIGURATION)
    deployment = _text(special, "deployment_id") if isinstance(special, dict) else ""
    return Platform(
        id=id,
        issuer=configuration.issuer,
        client_id=_text(answer, "client_id"),
        login_url=configuration.login_url,
        token_url=configuration.token_url,
        token_audience=configuration.token_audience,
        keys_url=configuration.keys_url,
        family=configuration.family,
        deployments=frozenset([deployment] if deployment else []),
        any_deployment=not deployment,
        approved=approved,
    )


def canvas_configuration(tool: Tool) -> dict[str, Any]:
    """Return the document that Canvas takes for a developer key, by address or by paste."""
    chooser = {
        "message_type": names.DEEP_LINKING_REQUEST,
        "target_link_uri": tool.launch,
        "text": TITLE,
    }
    placements = [{"placement": name, **chooser} for name in _PLACEMENTS]
    return {
        "title": TITLE,
        "description": DESCRIPTION,
        "oidc_initiation_url": tool.login,
        "target_link_uri": tool.launch,
        "public_jwk_url": tool.keys,
        "scopes": list(names.SCOPES),
        "extensions": [
            {
                "platform": "canvas.instructure.com",
                "privacy_level": "anonymous",
                "settings": {"platform": "canvas.instructure.com", "placements": placements},
            }
        ],
    }


def _audience(document: Mapping[str, Any]) -> str:
    """Return what is signed to get a token; Canvas and others name a host there, no address."""
    named = _text(document, "authorization_server")
    return named if host_of(named) else _text(document, "token_endpoint")


def _listed(document: Mapping[str, Any], name: str) -> list[Any]:
    value = document.get(name)
    return value if isinstance(value, list) else []


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    # Printable: PostgreSQL stores no NUL, nothing a lone surrogate, and some go into a header.
    usable = isinstance(value, str) and len(value) <= 2000 and value.isprintable()
    return str(value) if usable else ""


def _address(document: Mapping[str, Any], name: str) -> str:
    value = _text(document, name)
    if not value.isascii() or not host_of(value):
        raise UsageError(f"the platform's configuration holds no usable {name}")
    return value
