"""Do with the real server of Open edX's queue what a learning platform does."""

import json
from typing import Any

import httpx

from grader.xqueue.client import Client
from grader.xqueue.credentials import Credentials

CREDENTIALS = Credentials(username="grader", password="it's a secret")


class OpenEdx:
    """The real server, and what a learning platform does with it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=30)

    def submit(self, student: str, response: Any = "x = 1", *, queue: str, **more: Any) -> None:
        document = {"student": student, "queue": queue, "response": response, **more}
        self._http.post("/test/submit", json=document).raise_for_status()

    def state(self, student: str) -> dict[str, Any]:
        found: dict[str, Any] = self._http.get("/test/state").raise_for_status().json()[student]
        return found

    def let_leases_run_out(self) -> None:
        self._http.post("/test/age").raise_for_status()

    def client(self, queue: str) -> Client:
        return Client(self.url, queue, CREDENTIALS)


def body(score: float = 0.5) -> str:
    return json.dumps({"correct": score == 1, "score": score, "msg": "<div>said</div>"})
