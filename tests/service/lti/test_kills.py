"""Real processes send grades over HTTP, are killed and frozen; every grade is right."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import until

from grader.service.lti.operating import states
from grader.service.lti.tables import LtiLink, LtiPlatform
from grader.service.settings import Settings
from service.lti.course import Course
from service.lti.fake_gradebook import Faults
from service.lti.served import asgi, serving
from service.ports import free_port

TESTS = Path(__file__).parents[2]
STUDENTS, ROUNDS, KILLS = 24, 2, 6


class Senders:
    """Processes that send, as `grader worker` does beside grading."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self._log = log.open("wb")
        self._environment = os.environ | {
            "GRADER_DATABASE_URL": settings.database_url.reveal(),
            "GRADER_ALLOW_NETWORKS": "127.0.0.0/8",
            "GRADER_LTI_SETTLE_S": "3",
        }
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        command = [sys.executable, "-m", "service.lti.sending"]
        started = subprocess.Popen(
            command,
            cwd=TESTS,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        assert started.stdout is not None and started.stdout.readline() == b"sending\n"
        self.running.append(started)

    def close(self) -> None:
        for _ in list(self.running):
            self.kill(0)
        self._log.close()

    def kill(self, which: int) -> None:
        victim = self.running.pop(which)
        victim.kill()
        victim.communicate()


@pytest.fixture
def kind() -> str:
    """SQLite serves one process."""
    return "postgresql"


@pytest.fixture
def senders(settings: Settings, tmp_path: Path) -> Iterator[Senders]:
    made = Senders(settings, tmp_path / "senders.log")
    yield made
    made.close()


@pytest.fixture
def served(course: Course) -> Iterator[Course]:
    """The course, whose platform is reached over HTTP, fails three times in ten, and freezes."""
    # Few are 500: five in a row are how a grade looks that a teacher has locked.
    kinds = ("500", *("503",) * 5)
    course.lms.gradebook.faults = Faults(
        rate=0.3, kinds=kinds, token_rate=0.02, freeze_rate=0.3, freeze_s=2.0
    )
    port = free_port()
    course.lms.issuer = f"http://127.0.0.1:{port}"
    with course.service.database.transaction() as session:
        platform = session.get_one(LtiPlatform, 1)
        platform.token_url = platform.token_audience = f"{course.lms.issuer}/token"
        session.get_one(LtiLink, course.link_id).line_item = course.lms.line_item
    with serving(asgi(course.lms.respond), port):
        yield course


def test_every_grade_is_right_though_senders_are_killed_and_frozen(
    served: Course, senders: Senders
) -> None:
    rng = random.Random(11)
    final: dict[str, int] = {}
    senders.start()
    senders.start()
    for number in range(KILLS):
        for student in range(STUDENTS * ROUNDS // KILLS):
            user, points = f"u{(student + number * 8) % STUDENTS}", rng.randint(0, 100)
            served.judge(user, points)
            final[user] = max(points, final.get(user, 0))
        time.sleep(rng.uniform(0.5, 1.5))
        senders.kill(rng.randrange(2))
        senders.start()
    frozen = senders.running[0]
    frozen.send_signal(signal.SIGSTOP)
    until(lambda: not served.busy(), patience_s=600)  # the frozen one holds leases, even rows
    frozen.send_signal(signal.SIGCONT)
    time.sleep(3)  # it may spoil what it likes
    until(lambda: not served.busy())
    assert [one.problem for one in states(served.service.database, step="parked")] == []
    assert {user: cell.given for user, cell in served.column.items()} == final
