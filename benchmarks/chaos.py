"""Kill the service's processes and its database at random; count what is lost or done twice.

    python benchmarks/chaos.py --submissions 500 --kills 30

Two web processes and three workers on a PostgreSQL of its own. One half of the submissions comes
from a sender that repeats each delivery until it is accepted, the other from students of an LMS
that fails three times in ten and freezes between its check and its write. Graders need no wall, so
that what is measured is the service. Exit code 0: every submission has exactly one result, none was
begun more than three times, and every student's grade in the LMS is the best of theirs.
"""

import argparse
import random
import shutil
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from sqlalchemy import func, select

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # the root first: tests/ has a reference/ as well

from chaos_lms import ENVIRONMENT, Lms
from service import postgresql
from service.processes import Process, free_port
from service.senders import body, signed

from grader.service import migrations
from grader.service.database import Database, outlasting
from grader.service.tables import Grading, Result
from grader.service.webhooks import sources

GRADING_S = 0.3
SENDERS = 8
SPREAD_S = 0.8
"""Pause before each submission, at most: so that processes are killed while some arrive."""


class Fleet:
    """The processes, each replaced as soon as it is gone."""

    def __init__(self, url: str, folder: Path, webs: int, workers: int) -> None:
        self._log, self._lock = folder / "log", threading.Lock()
        self._environment = {
            "GRADER_DATABASE_URL": url,
            "GRADER_SLOTS": "2",
            "GRADER_STALLED_S": "6",
            "GRADER_RECONCILE_S": "10",
            **ENVIRONMENT,
        }
        self.addresses: list[str] = []
        self._specs: list[tuple[str, dict[str, str]]] = []
        for _ in range(webs):
            port = free_port()
            self.addresses.append(f"http://127.0.0.1:{port}")
            self._specs.append(("web", {"GRADER_PORT": str(port)}))
        self._specs += [("worker", {})] * workers
        self._processes = [self._start(*spec) for spec in self._specs]

    def kill_one(self) -> str:
        """Kill a random process with -9 and start it anew."""
        place = random.randrange(len(self._processes))
        self._processes[place].kill()
        self._processes[place] = self._start(*self._specs[place])
        return self._specs[place][0]

    def tend(self) -> None:
        """Start what ended by itself."""
        for place, process in enumerate(self._processes):
            if not process.is_running:
                self._processes[place] = self._start(*self._specs[place])

    def stop(self) -> None:
        for process in self._processes:
            process.kill()

    def _start(self, role: str, more: dict[str, str]) -> Process:
        return Process(role, self._log, **self._environment, **more)


def work(number: int) -> str:
    """Return what the grader does with a submission: how long it takes, and the score."""
    return f"score={number * 37 % 101} sleep={GRADING_S} n={number}"


def hand_in(lms: Lms, number: int) -> tuple[str, int]:
    """Upload until it is taken; return the submission and the attempts it took."""
    attempts = 0

    def attempt() -> str:
        nonlocal attempts
        attempts += 1
        return lms.hand_in(number, work(number).encode())

    time.sleep(random.uniform(0.0, SPREAD_S))
    return outlasting(attempt), attempts


def deliver(fleet: Fleet, secret: str, number: int) -> tuple[str, int]:
    """Send one delivery until it is accepted; return its submission and the attempts it took."""
    content = body(work(number), user=f"user-{number}")
    time.sleep(random.uniform(0.0, SPREAD_S))
    for attempt in range(1, 1000):
        url = f"{random.choice(fleet.addresses)}/hooks/submissions/campus"
        try:
            headers = signed(secret, content, f"msg_{number}")
            answer = httpx.post(url, content=content, headers=headers, timeout=10, trust_env=False)
            if answer.status_code == 202:
                return answer.json()["id"], attempt
            if answer.status_code != 503:
                raise SystemExit(f"FAIL a delivery was answered {answer.status_code}")
        except httpx.HTTPError:
            pass
        time.sleep(random.uniform(0.1, 1.0))
    raise SystemExit("FAIL a delivery was never accepted")


def main() -> int:
    """Run it and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--submissions", type=int, default=500)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--restarts", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=10.0, help="give up after so many")
    asked = parser.parse_args()
    random.seed(asked.seed)
    server, folder = postgresql.start()
    started = time.monotonic()
    try:
        return run(server, folder, asked, started)
    finally:
        server.stop()
        shutil.rmtree(folder)


def run(
    server: postgresql.PostgreSQL, folder: Path, asked: argparse.Namespace, started: float
) -> int:
    database = Database(server.url)
    migrations.upgrade(database)
    secret = sources.add(database, "campus")
    lms = Lms(database, asked.seed)
    logs = Path(tempfile.mkdtemp(prefix="grader-chaos-"))
    with lms.serving(), ThreadPoolExecutor(SENDERS) as pool:
        fleet = Fleet(server.url, logs, webs=2, workers=3)
        jobs = [
            pool.submit(hand_in, lms, number)
            if number < asked.submissions // 2
            else pool.submit(deliver, fleet, secret, number)
            for number in random.sample(range(asked.submissions), asked.submissions)
        ]
        kills, restarts = harass(server, fleet, database, lms, asked, started + asked.minutes * 60)
        answers = [job.result() for job in jobs]
        fleet.stop()
    return verdict(database, lms, answers, kills, restarts, asked, time.monotonic() - started)


def harass(
    server: postgresql.PostgreSQL,
    fleet: Fleet,
    database: Database,
    lms: Lms,
    asked: argparse.Namespace,
    end: float,
) -> tuple[list[str], int]:
    """Kill and restart until all is done; return the roles that were killed, and the restarts."""
    kills: list[str] = []
    restarts = 0
    while time.monotonic() < end:
        time.sleep(random.uniform(0.3, 1.2))
        fleet.tend()
        if len(kills) < asked.kills:
            kills.append(fleet.kill_one())
            # Spread over the run: at a third and at two thirds of the kills.
            if restarts < asked.restarts and len(kills) >= asked.kills * (restarts + 1) / 3:
                restarts += 1
                server.stop()
                time.sleep(1.5)
                server.start()
        elif outlasting(lambda: count(database)) >= asked.submissions and not lms.is_busy():
            break
    return kills, restarts


def count(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count(Result.id))) or 0


def verdict(
    database: Database,
    lms: Lms,
    answers: list[tuple[str, int]],
    kills: list[str],
    restarts: int,
    asked: argparse.Namespace,
    seconds: float,
) -> int:
    """Print what became of everything; return 0 when all is as promised."""
    with database.reading() as session:
        rows = select(Result.submission_id, func.count()).group_by(Result.submission_id)
        results = dict(session.execute(rows).all())
        tries = select(Grading.tries, func.count()).group_by(Grading.tries).order_by(Grading.tries)
        begun = dict(session.execute(tries).all())
        states = dict(
            session.execute(select(Grading.state, func.count()).group_by(Grading.state)).all()
        )
    wrong = lms.wrong_grades()
    database.close()
    accepted = {submission for submission, _ in answers}
    lost = accepted - results.keys()
    twice = [submission for submission, number in results.items() if number > 1]
    facts = {
        "accepted": f"{len(accepted)} in {sum(n for _, n in answers)} attempts",
        "results": f"{len(results)}, lost {len(lost)}, recorded twice {len(twice)}",
        "states": states,
        "begun so often": begun,
        "killed": f"{len(kills)}: {kills.count('web')} web, {kills.count('worker')} workers",
        "database restarted": restarts,
        "grades in the LMS": f"{len(wrong)} wrong, after {lms.asked} requests {wrong or ''}",
        "seconds": round(seconds),
    }
    for name, fact in facts.items():
        print(f"{name:20} {fact}")
    good = len(accepted) == len(results) == asked.submissions and not lost and not twice
    good = good and max(begun) <= 3 and len(kills) >= asked.kills and not wrong
    print("PASS" if good else "FAIL")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
