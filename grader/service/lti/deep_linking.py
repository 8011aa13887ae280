"""Answer a platform that asks which exercise to put into a course."""

import secrets
from typing import Any

from grader.service.lti import names
from grader.service.lti.keys import KeyPair
from grader.service.lti.launch import DeepLinking
from grader.service.lti.platform import Platform
from grader.service.lti.registration import Tool
from grader.service.lti.tokens import sign

_VALID_S = 300


def content_item(
    tool: Tool, *, exercise: str, title: str, maximum: float, with_line_item: bool
) -> dict[str, Any]:
    """Return a link to an exercise, with its column in the gradebook when that is taken."""
    item: dict[str, Any] = {
        "type": "ltiResourceLink",
        "title": title,
        "url": tool.launch,
        "custom": {"exercise": exercise},
    }
    if with_line_item:
        item["lineItem"] = {
            "scoreMaximum": maximum,
            "label": title,
            "resourceId": exercise,
            "tag": "grade",
        }
    return item


def response(
    platform: Platform,
    deployment: str,
    wanted: DeepLinking,
    items: list[dict[str, Any]],
    key: KeyPair,
    *,
    now_s: float,
) -> str:
    """Return the signed answer, for the form field `JWT`; no items means nothing was chosen."""
    claims: dict[str, Any] = {
        "iss": platform.client_id,
        "aud": [platform.issuer],
        "iat": int(now_s),
        "exp": int(now_s) + _VALID_S,
        "nonce": secrets.token_urlsafe(16),
        names.MESSAGE_TYPE: names.DEEP_LINKING_RESPONSE,
        names.VERSION_CLAIM: names.VERSION,
        names.DEPLOYMENT: deployment,
        names.DEEP_ITEMS: items,
    }
    if wanted.data is not None:
        claims[names.DEEP_DATA] = wanted.data
    return sign(claims, key)
