"""Sign and verify JSON Web Tokens: RS256 and nothing else."""

import json
from collections.abc import Mapping
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import RSAKey

from grader.service.lti.keys import KeyPair
from grader.service.lti.refusals import LaunchRefused

_ALGORITHM = "RS256"
_DIGITS_2048, _DIGITS_16384 = 342, 2731
"""Base64 digits of the shortest modulus that is safe, and of the longest that is quick."""
MOST_BYTES = 64 * 1024
"""A launch is 2 to 6 kB; more is not one."""


def sign(claims: Mapping[str, Any], key: KeyPair) -> str:
    """Return the claims as a token signed with a key of ours."""
    header = {"alg": _ALGORITHM, "kid": key.kid, "typ": "JWT"}
    # ASCII: a platform's own data may hold what UTF-8 cannot, and goes back as it came.
    payload = json.dumps(claims).encode()
    return jws.serialize_compact(header, payload, RSAKey.import_key(key.private), [_ALGORITHM])


def key_id(token: str) -> str:
    """Return the `kid` of a token, before anything of it is believed.

    Raises:
        LaunchRefused: it is no token, names another algorithm than RS256, or names no key.
    """
    if len(token) > MOST_BYTES or not token.isascii():
        raise LaunchRefused("malformed", "the id_token is too long, or no text of ASCII")
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, TypeError, AttributeError):
        raise LaunchRefused("malformed", "the id_token is no signed JSON Web Token") from None
    if header.get("alg") != _ALGORITHM:
        raise LaunchRefused("algorithm", f"signed with {header.get('alg')!r}, not with RS256")
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise LaunchRefused("key_unknown", "the id_token does not say which key signed it")
    return kid


def verify(token: str, key: RSAKey) -> dict[str, Any]:
    """Return the claims of a token that this key signed.

    Raises:
        LaunchRefused: it did not, or the claims are no JSON object.
    """
    try:
        return jwt.decode(token, key, [_ALGORITHM]).claims
    except BadSignatureError:
        raise LaunchRefused("signature", "the platform's key did not sign this") from None
    except (JoseError, ValueError, TypeError, RecursionError):
        raise LaunchRefused("malformed", "the id_token cannot be read") from None


def usable_keys(document: Any) -> dict[str, RSAKey]:
    """Return the RSA keys of a JWK set by `kid`; what cannot verify RS256 is left out.

    A platform need not say `alg` or `use`; a private or symmetric key has no business there.
    """
    found = {}
    listed = document.get("keys") if isinstance(document, dict) else None
    for jwk in listed if isinstance(listed, list) else []:
        if isinstance(jwk, dict) and _can_verify(jwk):
            try:
                key = RSAKey.import_key({name: jwk[name] for name in ("kty", "n", "e")})
            except (JoseError, ValueError, TypeError, KeyError):
                continue
            found[jwk["kid"]] = key
    return found


def _can_verify(jwk: Mapping[str, Any]) -> bool:
    modulus, exponent = jwk.get("n"), jwk.get("e")
    return (
        jwk.get("kty") == "RSA"
        and isinstance(jwk.get("kid"), str)
        and isinstance(modulus, str)
        and _DIGITS_2048 <= len(modulus) <= _DIGITS_16384
        and isinstance(exponent, str)
        and len(exponent) <= 8  # more only makes verifying slow
        and jwk.get("alg") in (None, _ALGORITHM)
        and jwk.get("use") in (None, "sig")
    )
