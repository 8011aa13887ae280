"""Know where well-known platforms keep their addresses."""

from dataclasses import dataclass

from grader.errors import UsageError


@dataclass(frozen=True)
class Addresses:
    """What a platform's administrator would have to look up."""

    issuer: str
    login_url: str
    token_url: str
    keys_url: str


_SSO = "https://sso.canvaslms.com"
_PATHS = {
    "moodle": ("", "/mod/lti/auth.php", "/mod/lti/token.php", "/mod/lti/certs.php"),
    "canvas": ("", "/api/lti/authorize_redirect", "/login/oauth2/token", "/api/lti/security/jwks"),
}
FAMILIES = tuple(_PATHS)
"""Families whose addresses follow from the platform's own."""


def addresses(family: str, url: str) -> Addresses:
    """Return the addresses of a platform.

    Args:
        url: of the platform, such as https://moodle.example.org; for Canvas in the cloud "".

    Raises:
        UsageError: nothing is known about this family, or it needs an address.
    """
    if family not in _PATHS:
        raise UsageError(f"no addresses are known for {family!r}; there are: {', '.join(FAMILIES)}")
    if family == "canvas":
        found = [(url.rstrip("/") or _SSO) + path for path in _PATHS[family]]
        # Every Canvas calls itself this, unless its operator chose otherwise.
        return Addresses("https://canvas.instructure.com", *found[1:])
    if not url:
        raise UsageError(f"{family} needs its address: --url https://...")
    return Addresses(*(url.rstrip("/") + path for path in _PATHS[family]))
