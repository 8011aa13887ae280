"""Glue around lti1p3platform: a platform that others wrote, reached as the fake one is."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import httpx
from lti1p3platform.exceptions import LineItemNotFoundException
from lti1p3platform.ltiplatform import LTI1P3PlatformConfAbstract
from lti1p3platform.message_launch import LTIAdvantageMessageLaunchAbstract
from lti1p3platform.oidc_login import OIDCLoginAbstract
from lti1p3platform.registration import Registration
from lti1p3platform.request import Request
from lti1p3platform.score import UpdateScoreStatus
from lti1p3platform.service_connector import AssignmentsGradesService

from service.lti.fake_platform import new_key

ISSUER = "https://independent.example"
LINE_ITEM = f"{ISSUER}/ags/7"


class Configuration(LTI1P3PlatformConfAbstract):
    def init_platform_config(self, **kwargs: Any) -> None:
        key = new_key("independent")
        self._registration = (
            Registration()
            .set_iss(ISSUER)
            .set_client_id("c1")
            .set_deployment_id("d1")
            .set_launch_url("http://testserver.local/lti/launch")
            .set_deeplink_launch_url("http://testserver.local/lti/launch")
            .set_oidc_login_url("http://testserver.local/lti/login")
            .set_tool_key_set(kwargs["tool_keys"])
            .set_platform_private_key(key.as_pem(private=True).decode())
            .set_platform_public_key(key.as_pem(private=False).decode())
        )

    def get_registration_by_params(self, **kwargs: Any) -> Registration:
        return self._registration


class Asked(Request):
    def build_metadata(self, request: httpx.Request) -> Any:
        text = request.content.decode()
        form = "urlencoded" in request.headers.get("content-type", "")
        return {
            "method": request.method,
            "form_data": dict(parse_qsl(text)) if form else {},
            "get_data": dict(request.url.params),
            "headers": {"Authorization": request.headers.get("authorization", "")},
            "content_type": request.headers.get("content-type"),
            "path": request.url.path,
            "json": json.loads(text) if text and not form else None,
        }


class Login(OIDCLoginAbstract):
    def set_lti_message_hint(self, **kwargs: Any) -> None:
        self._lti_message_hint = kwargs["hint"]

    def get_redirect(self, url: str) -> str:
        return url


class Launch(LTIAdvantageMessageLaunchAbstract):
    def render_launch_form(self, launch_data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return launch_data


@dataclass
class IndependentPlatform:
    """The library behind addresses; `grades` is what its gradebook holds."""

    tool_keys: dict[str, Any]
    grades: dict[str, dict[str, Any]] = field(default_factory=dict)
    columns: set[str] = field(default_factory=lambda: {"7"})
    statuses: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.library = Configuration(tool_keys=self.tool_keys)

    def login_url(self, user: str) -> str:
        login = Login(None, self.library)
        login.set_lti_message_hint(hint="m1")
        return login.initiate_login(user)

    def message(self, asked: httpx.Request, user: str, *, choosing: bool) -> dict[str, Any]:
        """Answer the tool's sign-in request with a signed message."""
        launch = Launch(Asked(asked), self.library)
        role = "http://purl.imsglobal.org/vocab/lis/v2/membership#Instructor"
        launch.set_user_data(user, [role])
        launch.set_launch_context_claim("course-1", context_title="Algebra")
        launch.set_resource_link_claim("link-1", title="Week 3")
        launch.set_custom_parameters_claim({"exercise": "tiny"})
        launch.set_ags(f"{ISSUER}/ags", LINE_ITEM, allow_creating_lineitems=True)
        if choosing:
            launch.set_dl(f"{ISSUER}/deep", extra_data={"made": "there"})
        return launch.lti_launch()

    async def respond(self, request: httpx.Request) -> httpx.Response:
        path, asked = request.url.path, Asked(request)
        if path == "/keys":
            return httpx.Response(200, json=self.library.get_jwks())
        if path == "/token":
            return httpx.Response(200, json=self.library.get_access_token(asked.form_data))
        service = Service(asked, self.library, f"{ISSUER}/ags", LINE_ITEM)
        service.platform = self
        column = path.split("/")[2]
        scoring = path.endswith("/scores")
        handler = service.handle_update_score if scoring else service.handle_get_results
        answer = service.handle_resp(handler, line_item_id=column)
        self.statuses.append(answer.code)
        found = answer.result["content"] if answer.result else {"message": answer.message}
        return httpx.Response(answer.code, json=found)


class Service(AssignmentsGradesService):
    platform: IndependentPlatform

    def update_score(self, line_item_id: str, score: Any) -> UpdateScoreStatus:
        if line_item_id not in self.platform.columns:
            raise LineItemNotFoundException
        held = self.platform.grades.get(score["userId"])
        if held is not None and score["timestamp"] <= held["timestamp"]:
            return UpdateScoreStatus.OLD_TIMESTAMP
        self.platform.grades[score["userId"]] = score
        return UpdateScoreStatus.SUCCESS

    def get_results(self, line_item_id: str, **query: Any) -> Any:
        found = [
            {"userId": user, "resultScore": s["scoreGiven"], "resultMaximum": s["scoreMaximum"]}
            for user, s in self.platform.grades.items()
            if user == query["user_id"]
        ]
        return {"content": found, "has_next": False}

    def _unused(self, *arguments: Any, **named: Any) -> Any:
        raise NotImplementedError

    find_lineitems = find_lineitem = _unused
    create_lineitem = update_lineitem = delete_lineitem = _unused
