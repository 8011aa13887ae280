"""Told to stop, a process begins nothing more, however long what is under way takes."""

import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from processes import PATIENCE_S, until
from sqlalchemy import func, select

from grader.service import serving, submissions
from grader.service.cluster.queue import QueueDispatch
from grader.service.core import Service
from grader.service.dispatch import NoDispatch
from grader.service.submissions import Incoming
from grader.service.tables import DONE, Grading
from grader.service.webhooks import sources
from service.ports import free_port
from service.processes import Process

MANY, GRADING_S, STILL_S = 20, 0.5, 3.0
"""Gradings that wait, what each takes, and after what time without a new one there are no more."""


class Part:
    """Writes down what it is told."""

    def __init__(self, name: str, told: list[str]) -> None:
        self._name, self._told = name, told

    def start(self) -> None:
        pass

    def request_stop(self) -> None:
        self._told.append(f"{self._name} is told")

    def stop(self) -> None:
        self._told.append(f"{self._name} has ended")


def test_all_are_told_before_any_is_waited_for() -> None:
    told: list[str] = []
    serving.stop([Part("grading", told), Part("sender", told)])
    assert told == ["grading is told", "sender is told", "sender has ended", "grading has ended"]


def begun(service: Service) -> int:
    with service.database.reading() as session:
        return session.scalar(select(func.count()).where(Grading.tries > 0)) or 0


def begun_within(service: Service, seconds: float) -> int:
    before = begun(service)
    time.sleep(seconds)
    return begun(service) - before


def test_no_grading_is_begun_while_a_notice_is_being_sent(
    kind: str, service: Service, incoming: Callable[..., Incoming], tmp_path: Path
) -> None:
    campus = socket.create_server(("127.0.0.1", 0))  # it takes a notice, and does not answer
    campus.settimeout(PATIENCE_S)
    url = f"http://127.0.0.1:{campus.getsockname()[1]}/"
    sources.add(service.database, "campus", callback_url=url)
    with service.database.transaction() as session:
        dispatch = QueueDispatch() if kind == "postgresql" else NoDispatch()
        for number in range(MANY):
            content = f"score={number} sleep={GRADING_S}".encode()
            submissions.accept(session, incoming(content), dispatch)
    chosen = {
        "GRADER_DATA": str(service.settings.data),
        "GRADER_DATABASE_URL": service.settings.database_url.reveal(),
        "GRADER_PORT": str(free_port()),
        "GRADER_ALLOW_NETWORKS": "127.0.0.0/8",
    }
    role = "worker" if kind == "postgresql" else "all"
    with Process(role, tmp_path / "log", **chosen) as process:
        connection, _ = campus.accept()
        campus.close()
        with connection:
            process.send(signal.SIGTERM)
            until(lambda: begun_within(service, STILL_S) == 0)
            assert begun(service) < MANY
        assert process.wait() in (0, -signal.SIGTERM)  # uvicorn raises what it was sent again
    with service.database.reading() as session:
        unfinished = (Grading.tries > 0, Grading.state != DONE)
        assert session.scalar(select(func.count()).where(*unfinished)) == 0
