"""SIGTERM ends a stream as streams end, and does not wait for what it is about."""

import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from grader.service.core import Service
from grader.service.settings import Settings
from grader.service.tables import Grading, Submission, now
from service.pages.conftest import Place
from service.ports import free_port
from service.processes import Process, answers


@pytest.fixture
def kind() -> str:
    """The embedded service: whatever the database, one process holds the stream."""
    return "sqlite"


def test_a_stream_ends_cleanly_on_sigterm(
    service: Service,
    settings: Settings,
    place: Place,
    sent: Callable[..., Submission],
    tmp_path: Path,
) -> None:
    submission, alice, port = sent(), place.launched("alice"), free_port()
    with service.database.transaction() as session:  # it waits for longer than any test
        session.execute(update(Grading).values(not_before=now() + timedelta(days=1)))
    url, log = f"http://127.0.0.1:{port}", tmp_path / "log"
    environment = {"GRADER_DATA": str(settings.data), "GRADER_PORT": str(port)}
    with Process("all", log, **environment, GRADER_BASE_URL=url) as process:
        answers(url)
        path = f"/links/{place.link_id}/submissions/{submission.id}/events"
        patience = httpx.Timeout(120)
        with (
            httpx.Client(trust_env=False, timeout=patience) as client,
            client.stream("GET", url + path, headers=alice.headers) as answer,
        ):
            told = answer.iter_lines()
            assert next(told) == "event: progress"
            process.send(signal.SIGTERM)
            rest = list(told)  # what is cut off in the middle raises here
        assert not [line for line in rest if line.startswith("event")]
        process.wait(120)
    assert "Cancel" not in log.read_text()
