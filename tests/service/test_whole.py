"""The service as it is run: a signed delivery in, behind the real wall, a signed result out."""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import CACHE, FIXTURES, sandbox_called
from processes import PATIENCE_S, until
from standardwebhooks import Webhook

from service.ports import free_port
from service.processes import answers
from service.senders import body, deliver

_PATIENCE_S = 240.0


class Campus:
    """Receives results on loopback."""

    def __init__(self) -> None:
        received: list[tuple[bytes, dict[str, str]]] = []
        self.received = received

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"]))
                received.append((content, {k.lower(): v for k, v in self.headers.items()}))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/results"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def campus() -> Iterator[Campus]:
    opened = Campus()
    yield opened
    opened.close()


def test_a_delivery_becomes_a_grade(campus: Campus, tmp_path: Path) -> None:
    sandbox_called("bubblewrap")
    port = free_port()
    environment = {
        **os.environ,
        "GRADER_CACHE": str(CACHE),
        "GRADER_DATA": str(tmp_path / "data"),
        "GRADER_PORT": str(port),
        "GRADER_BASE_URL": f"http://127.0.0.1:{port}",
        "GRADER_ALLOW_NETWORKS": "127.0.0.0/8",
        "GRADER_SANDBOX": "bubblewrap",
    }
    grader = [sys.executable, "-m", "grader.cli"]
    add = [*grader, "webhook", "add", "campus", "--callback", campus.url]
    told = subprocess.run(add, env=environment, capture_output=True, text=True, check=True)
    secret = told.stdout.split()[-1]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen([*grader, "serve"], env=environment, stderr=log) as service,
    ):
        answers(environment["GRADER_BASE_URL"])
        right = (FIXTURES / "accepted" / "plain" / "submission.py").read_text()
        files = [{"name": "submission.py", "content": right}]
        base = environment["GRADER_BASE_URL"]
        with httpx.Client(base_url=base, trust_env=False, timeout=PATIENCE_S) as client:
            accepted = deliver(client, secret, body(files=files))
            assert accepted.status_code == 202
            state = _done(client, accepted.json()["status_url"])
            page = client.get(f"{state['report_url']}&format=html")
        until(lambda: campus.received)
        service.send_signal(signal.SIGTERM)
        service.wait(PATIENCE_S)
    assert (state["verdict"], state["score"]) == ("accepted", 100)
    assert "100 / 100" in page.text
    ((content, headers),) = campus.received
    data = Webhook(secret).verify(content, headers)["data"]
    assert (data["submission"], data["score"]) == (accepted.json()["id"], 100)
    events = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert {"grading", "notice"} <= set(events)


def _done(client: httpx.Client, url: str) -> dict[str, Any]:
    end = time.monotonic() + _PATIENCE_S
    while True:
        state: dict[str, Any] = client.get(url).json()
        if state["state"] != "waiting":
            return state
        assert time.monotonic() < end
        time.sleep(0.5)
