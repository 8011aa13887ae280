"""Send what a campus, or a forge, would send."""

import hashlib
import hmac
import json
import time
import uuid
from typing import Any

import httpx
from litestar.testing import TestClient

import reference
from grader.service.webhooks.signatures import sign

Client = TestClient[Any] | httpx.Client


def body(content: str = "x = 1\n", **changes: Any) -> bytes:
    """Return a submission.created of alice's."""
    data = {
        "exercise": reference.DEFAULT,
        "user": "alice",
        "context": "algebra",
        "attempt": 1,
        "submitted_at": "2026-03-01T12:00:00Z",
        "files": [{"name": "hw.py", "content": content}],
    }
    return json.dumps({"type": "submission.created", "data": {**data, **changes}}).encode()


def signed(secret: str, content: bytes, message_id: str = "", at_s: float = 0.0) -> dict[str, str]:
    """Return the headers of a Standard Webhooks message."""
    message_id = message_id or f"msg_{uuid.uuid4().hex}"
    timestamp = int(at_s or time.time())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secret, message_id, timestamp, content),
    }


def deliver(
    client: Client, secret: str, content: bytes, message_id: str = "", *, name: str = "campus"
) -> httpx.Response:
    """Post a delivery to a source."""
    headers = signed(secret, content, message_id)
    return client.post(f"/hooks/submissions/{name}", content=content, headers=headers)


def push(**changes: Any) -> bytes:
    """Return a push to the default branch, as GitHub sends it."""
    repository = {
        "full_name": "course/hw1-alice",
        "html_url": "https://github.com/course/hw1-alice",
        "default_branch": "main",
        "archive_url": "https://api.github.com/repos/course/hw1-alice/{archive_format}{/ref}",
    }
    event = {"ref": "refs/heads/main", "after": "5" * 40, "repository": repository}
    return json.dumps({**event, **changes}).encode()


def hexed(secret: str, content: bytes) -> str:
    """Return a forge's signature."""
    return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
