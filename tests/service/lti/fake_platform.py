"""A learning platform in one process: sign-in, keys, tokens, registration, and its gradebook."""

import base64
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from html import escape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

from service.lti.fake_gradebook import Gradebook

LTI = "https://purl.imsglobal.org/spec/lti/claim/"
DEEP = "https://purl.imsglobal.org/spec/lti-dl/claim/"
AGS = "https://purl.imsglobal.org/spec/lti-ags/"
MEMBERSHIP = "http://purl.imsglobal.org/vocab/lis/v2/membership#"
TOOL = "https://purl.imsglobal.org/spec/lti-tool-configuration"


@dataclass
class FakePlatform:
    """A platform at `issuer`, with one course and one tool.

    Attributes:
        tool: address of the tool.
        tool_keys: reads the tool's JWK set; asked whenever the tool signs something.
        says_alg: whether its own JWK set says `alg`; some do not.
        fetched: how often the keys were asked for.
    """

    gradebook: Gradebook
    issuer: str = "https://lms.example"
    client_id: str = "tool-1"
    deployment: str = "1"
    tool: str = "https://grader.example"
    tool_keys: Callable[[], dict[str, Any]] = lambda: {"keys": []}
    says_alg: bool = False
    clock: Callable[[], float] = time.time
    key: RSAKey = field(default_factory=lambda: new_key("k1"))
    fetched: int = 0
    registrations: list[dict[str, Any]] = field(default_factory=list)
    assertions: set[str] = field(default_factory=set)

    @property
    def line_item(self) -> str:
        return f"{self.issuer}/ags/7?type_id=2"

    def claims(self, nonce: str, user: str = "u1", role: str = "Learner") -> dict[str, Any]:
        """Return the claims of a launch of somebody into the course."""
        now = int(self.clock())
        return {
            "iss": self.issuer,
            "aud": self.client_id,
            "sub": user,
            "iat": now,
            "exp": now + 60,
            "nonce": nonce,
            LTI + "version": "1.3.0",
            LTI + "message_type": "LtiResourceLinkRequest",
            LTI + "deployment_id": self.deployment,
            LTI + "target_link_uri": "https://grader.example/lti/launch",
            LTI + "resource_link": {"id": "link-1", "title": "Week 3"},
            LTI + "context": {"id": "course-1", "title": "Deep learning", "label": "DL"},
            LTI + "roles": [MEMBERSHIP + role],
            LTI + "custom": {"exercise": "tiny_layer", "unset": "$Person.name.full"},
            LTI + "tool_platform": {"product_family_code": self.gradebook.dialect},
            AGS + "claim/endpoint": {
                "lineitem": self.line_item,
                "lineitems": f"{self.issuer}/ags",
                "scope": [AGS + "scope/score", AGS + "scope/result.readonly", "other"],
            },
        }

    def deep_linking_claims(self, nonce: str, **settings: Any) -> dict[str, Any]:
        """Return the claims of a teacher who is to choose an exercise."""
        claims = self.claims(nonce, "teacher", "Instructor")
        del claims[LTI + "resource_link"]
        claims[LTI + "message_type"] = "LtiDeepLinkingRequest"
        claims[DEEP + "deep_linking_settings"] = {
            "accept_types": ["ltiResourceLink", "link"],
            "accept_presentation_document_targets": ["iframe", "window"],
            "deep_link_return_url": f"{self.issuer}/deep",
            "data": "opaque",
            **settings,
        }
        return claims

    def sign(self, claims: dict[str, Any], key: RSAKey | None = None) -> str:
        key = key or self.key
        header = {"alg": "RS256", "kid": key.kid}
        return jws.serialize_compact(header, json.dumps(claims).encode(), key)

    def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of something that the tool signed."""
        keys = KeySet.import_key_set(self.tool_keys())
        return jwt.decode(token, keys, algorithms=["RS256"]).claims

    async def respond(self, request: httpx.Request) -> httpx.Response:
        """Answer what a tool asks of a platform."""
        path = urlsplit(str(request.url)).path
        if path.startswith("/ags/"):
            return await self.gradebook.respond(request)
        routes = {
            "/keys": self._keys,
            "/token": self._token,
            "/.well-known/openid-configuration": self._configuration,
            "/register": self._register,
            "/course": self._course,
            "/auth": self._auth,
            "/deep": lambda request: _html("It is in the course now."),
            "/favicon.ico": lambda request: httpx.Response(204),
        }
        if path not in routes:
            return httpx.Response(404, text="no such page")
        return routes[path](request)

    def _keys(self, request: httpx.Request) -> httpx.Response:
        self.fetched += 1
        jwk = {**self.key.as_dict(private=False), "kid": self.key.kid, "use": "sig"}
        return _json({"keys": [jwk | {"alg": "RS256"} if self.says_alg else jwk]})

    def _token(self, request: httpx.Request) -> httpx.Response:
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        try:
            claims = self.verify(form["client_assertion"])
        except (KeyError, ValueError, JoseError) as error:
            return _json({"error": "invalid_client", "error_description": str(error)}, 400)
        known = claims["iss"] == claims["sub"] == self.client_id
        fresh = claims["jti"] not in self.assertions and claims["exp"] <= self.clock() + 300
        if not (known and fresh and claims["aud"] == f"{self.issuer}/token"):
            return _json({"error": "invalid_client"}, 400)
        self.assertions.add(claims["jti"])
        token = secrets.token_urlsafe(16)
        self.gradebook.tokens.add(token)
        return _json({"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    def _course(self, request: httpx.Request) -> httpx.Response:
        """Show the tool inside a frame, as a course does."""
        query = urlencode({"iss": self.issuer, "login_hint": request.url.params["user"]})
        frame = f'<iframe title="tool" name="tool" src="{self.tool}/lti/login?{query}"></iframe>'
        return _html(f"<style>iframe{{width:95vw;height:80vh}}</style><h1>Course</h1>{frame}")

    def _auth(self, request: httpx.Request) -> httpx.Response:
        """Answer a sign-in request with a form that the browser posts to the tool."""
        asked = request.url.params
        assert asked["redirect_uri"] == f"{self.tool}/lti/launch"
        assert asked["client_id"] == self.client_id
        user, _, role = asked["login_hint"].partition(":")
        choosing = role == "chooses"
        claims = (
            self.deep_linking_claims(asked["nonce"])
            if choosing
            else self.claims(asked["nonce"], user, role)
        )
        fields = {"state": asked["state"], "id_token": self.sign(claims)}
        inputs = "".join(f'<input name="{n}" value="{escape(v)}">' for n, v in fields.items())
        form = f'<form method="post" action="{self.tool}/lti/launch">{inputs}</form>'
        return _html(f"{form}<script>document.forms[0].submit()</script>")

    def _configuration(self, request: httpx.Request) -> httpx.Response:
        return _json(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/auth",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "registration_endpoint": f"{self.issuer}/register",
                "scopes_supported": [AGS + "scope/score", AGS + "scope/result.readonly"],
                "https://purl.imsglobal.org/spec/lti-platform-configuration": {
                    "product_family_code": self.gradebook.dialect
                },
            }
        )

    def _register(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("authorization") != "Bearer invited":
            return _json({"error": "invalid_token"}, 401)
        asked = json.loads(request.content)
        self.registrations.append(asked)
        tool = {**asked[TOOL], "deployment_id": self.deployment}
        return _json({**asked, "client_id": self.client_id, TOOL: tool})


@cache
def new_key(kid: str, which: int = 0) -> RSAKey:
    """Return a key; another one of the same name by another number."""
    return RSAKey.generate_key(2048, {"kid": kid})


def unsigned(claims: dict[str, Any]) -> str:
    """Return a token that says it needs no signature."""
    parts = [{"alg": "none", "kid": "k1"}, claims]
    return ".".join(_b64(json.dumps(part).encode()) for part in parts) + "."


def signed_with_public_key(claims: dict[str, Any], key: RSAKey) -> str:
    """Return a token signed with HS256, the public key taken for the secret."""
    parts = [{"alg": "HS256", "kid": key.kid}, claims]
    signed = ".".join(_b64(json.dumps(part).encode()) for part in parts)
    mac = hmac.new(key.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{_b64(mac.digest())}"


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _html(text: str) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "text/html; charset=utf-8"}, content=text)


def _json(document: Any, status: int = 200) -> httpx.Response:
    """Answer as Moodle does: JSON that says it is HTML."""
    content = json.dumps(document)
    return httpx.Response(status, headers={"content-type": "text/html"}, content=content)
