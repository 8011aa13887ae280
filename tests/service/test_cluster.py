"""On PostgreSQL many processes share the work, and lose none of it when they die."""

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import PATIENCE_S, until
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import func, select, text, update

from grader.service import grading, regrading, submissions
from grader.service.cluster.queue import QueueDispatch, priority
from grader.service.cluster.worker import ClusterWorker, conninfo
from grader.service.core import Service
from grader.service.fairness import BULK, INTERACTIVE
from grader.service.setting_values import Secret
from grader.service.submissions import Incoming
from grader.service.tables import DONE, Grading, Result, Submission
from service.fakes import FakeGrader
from service.postgresql import PostgreSQL
from service.processes import Process
from service.test_pool import results

QUICK = {"GRADER_STALLED_S": "5", "GRADER_RECONCILE_S": "2"}


@pytest.fixture
def kind() -> str:
    return "postgresql"


@pytest.fixture
def clustered(service: Service) -> Service:
    settings = dataclasses.replace(service.settings, stalled_s=1.5, reconcile_s=1.0, drain_s=10)
    return dataclasses.replace(service, settings=settings, dispatch=QueueDispatch())


@pytest.fixture
def accept(clustered: Service, incoming: Callable[..., Incoming]) -> Callable[..., str]:
    def make(content: str, lane: int = INTERACTIVE, **changes: str) -> str:
        with clustered.database.transaction() as session:
            made = incoming(content.encode(), **changes)
            return submissions.accept(session, made, clustered.dispatch, lane=lane).id

    return make


@contextmanager
def working(
    service: Service, make: Callable[[], FakeGrader] = FakeGrader, slots: int = 1
) -> Iterator[ClusterWorker]:
    settings = dataclasses.replace(service.settings, slots=slots)
    worker = ClusterWorker(dataclasses.replace(service, settings=settings), make)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def jobs(service: Service) -> list[tuple[str, str]]:
    with service.database.reading() as session:
        rows = session.execute(
            text("SELECT queueing_lock, status::text FROM procrastinate_jobs ORDER BY id")
        )
        return [(lock, status) for lock, status in rows]


def test_a_job_is_there_exactly_when_its_submission_is(
    clustered: Service, incoming: Callable[..., Incoming]
) -> None:
    def fail() -> None:
        with clustered.database.transaction() as session:
            submissions.accept(session, incoming(), clustered.dispatch)
            raise RuntimeError("the transaction fails")

    with pytest.raises(RuntimeError):
        fail()
    assert jobs(clustered) == []
    with clustered.database.transaction() as session:
        submission = submissions.accept(session, incoming(), clustered.dispatch)
        grading_row = session.scalars(select(Grading)).one()
        clustered.dispatch.enqueue(session, grading_row)  # a second one is none
    assert jobs(clustered) == [(submission.id, "todo")]


def test_lanes_and_turns_make_priorities() -> None:
    assert priority(INTERACTIVE, 10**6) > priority(BULK, 0) > priority(BULK, 1)
    assert priority(INTERACTIVE, 0) < 2**31
    assert priority(BULK, 10**9) > -(2**31)


def test_a_worker_grades_what_is_announced(clustered: Service, accept: Callable[..., str]) -> None:
    with working(clustered, slots=2):
        for number in range(10):
            accept(f"score={number}")
        until(lambda: results(clustered) == 10)
        until(lambda: jobs(clustered) == [])  # done jobs are not kept


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("grader:ab/cd+ef=@db/grader", {"host": "db", "password": "ab/cd+ef="}),
        ("grader:50%of%2f' \\@db/grader", {"host": "db", "password": "50%of/' \\"}),
        ("grader@db/grader?sslmode=verify-full", {"host": "db", "sslmode": "verify-full"}),
        ("grader@/grader?host=/run/postgresql", {"host": "/run/postgresql"}),
        ("grader@[::1]:5433/grader", {"host": "::1", "port": "5433"}),
    ],
)
def test_the_queues_address_is_the_databases(url: str, words: dict[str, str]) -> None:
    found = conninfo_to_dict(conninfo(f"postgresql+psycopg://{url}"))
    assert found == {"user": "grader", "dbname": "grader", **words}


def test_a_password_that_libpq_would_misread_keeps_no_worker_away(
    clustered: Service, accept: Callable[..., str]
) -> None:
    url = clustered.settings.url.replace("grader@", "grader:ab/c%d+ef=@")
    settings = dataclasses.replace(clustered.settings, database_url=Secret(url))
    with working(dataclasses.replace(clustered, settings=settings)):
        accept("score=1")
        until(lambda: results(clustered) == 1)


def test_the_order_is_that_of_the_turns(clustered: Service, accept: Callable[..., str]) -> None:
    order: list[str] = []

    def note(work: object) -> None:
        order.append(work.files[0][1].decode())  # type: ignore[attr-defined]

    for number in range(6):
        accept(f"score={number} bulk", lane=BULK, course="large")
    for number in range(6):
        accept(f"score={number} large", course="large")
    accept("score=9 small", course="small")
    with working(clustered, lambda: FakeGrader(before=note)):
        until(lambda: results(clustered) == 13)
    assert "small" in order[0] or "small" in order[1]
    assert all("bulk" in one for one in order[7:])


def test_a_try_that_failed_is_announced_for_later(
    clustered: Service, accept: Callable[..., str]
) -> None:
    submission = accept("fail")
    with working(clustered):
        until(lambda: tries(clustered, submission) == 1)
        until(lambda: [status for _, status in jobs(clustered)] == ["todo"])
    with clustered.database.reading() as session:
        planned = session.scalar(text("SELECT scheduled_at FROM procrastinate_jobs"))
        waits = session.scalars(select(Grading)).one().not_before
    assert planned == waits


def tries(service: Service, submission_id: str) -> int:
    with service.database.reading() as session:
        rows = select(Grading.tries).where(Grading.submission_id == submission_id)
        return session.scalars(rows).one()


def test_what_no_job_stands_for_is_found(clustered: Service, accept: Callable[..., str]) -> None:
    for number in range(3):
        accept(f"score={number}")
    with clustered.database.transaction() as session:
        session.execute(text("DELETE FROM procrastinate_jobs"))
    with working(clustered):
        until(lambda: results(clustered) == 3)


def test_a_regrade_of_many_is_announced_to_the_bulk(
    clustered: Service, accept: Callable[..., str]
) -> None:
    submission = accept("score=5")
    with working(clustered):
        until(lambda: results(clustered) == 1)
        until(lambda: jobs(clustered) == [])
    with clustered.database.transaction() as session:
        session.execute(update(Result).values(exercise_digest="0" * 64))
    assert regrading.regrade_many(clustered, [submission]) == 1
    with clustered.database.reading() as session:
        assert session.scalar(text("SELECT queue_name FROM procrastinate_jobs")) == "bulk"
    with working(clustered):
        until(lambda: results(clustered) == 2)


def test_stopping_waits_for_what_is_under_way(
    clustered: Service, accept: Callable[..., str]
) -> None:
    submission = accept("score=1 sleep=1")
    with working(clustered) as worker:
        until(lambda: tries(clustered, submission) == 1)
        worker.stop()
        assert results(clustered) == 1


def test_workers_that_are_killed_lose_nothing(
    clustered: Service, accept: Callable[..., str], tmp_path: Path
) -> None:
    """Ten submissions, a worker killed with -9 again and again in their midst."""
    url = clustered.settings.url
    ids = [accept(f"score={number} sleep=0.3") for number in range(10)]
    for _ in range(2):
        with Process("worker", tmp_path / "log", GRADER_DATABASE_URL=url, **QUICK):
            before = results(clustered)
            until(lambda before=before: results(clustered) > before)  # type: ignore[misc]
    with Process("worker", tmp_path / "log", GRADER_DATABASE_URL=url, **QUICK) as last:
        until(lambda: results(clustered) == 10)
        last.send(signal.SIGTERM)
        last.wait()
    each = dict.fromkeys(ids, 1)
    with clustered.database.reading() as session:
        rows = select(Result.submission_id, func.count()).group_by(Result.submission_id)
        assert dict(session.execute(rows).all()) == each  # type: ignore[arg-type]
        assert max(session.scalars(select(Grading.tries))) <= 3


def test_a_worker_whose_port_is_taken_ends_and_names_the_setting(clustered: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        chosen = {
            "GRADER_DATABASE_URL": clustered.settings.url,
            "GRADER_METRICS_PORT": str(port),
        }
        done = subprocess.run(
            [sys.executable, "-m", "grader", "worker"],
            env={**os.environ, **chosen},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
    said = f"grader: GRADER_METRICS_PORT: 127.0.0.1:{port}: Address already in use\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_a_frozen_workers_job_goes_to_another_and_its_waking_changes_nothing(
    clustered: Service, accept: Callable[..., str], tmp_path: Path
) -> None:
    url = clustered.settings.url
    submission = accept("score=42 sleep=5")
    with Process("worker", tmp_path / "one", GRADER_DATABASE_URL=url, **QUICK) as frozen:
        until(lambda: tries(clustered, submission) == 1)
        frozen.send(signal.SIGSTOP)
        with Process("worker", tmp_path / "two", GRADER_DATABASE_URL=url, **QUICK):
            until(lambda: results(clustered) == 1)
            with clustered.database.reading() as session:
                first = session.scalars(select(Result)).one()
            frozen.send(signal.SIGCONT)
            time.sleep(3)
    with clustered.database.reading() as session:
        again = session.scalars(select(Result)).one()
        state = session.scalars(select(Grading)).one()
    assert (again.id, again.worker, again.recorded_at) == (
        first.id,
        first.worker,
        first.recorded_at,
    )
    assert (state.state, state.tries) == (DONE, 2)


def test_a_restart_of_the_database_is_waited_out(
    server: PostgreSQL, clustered: Service, accept: Callable[..., str]
) -> None:
    """The database goes away while a grading is under way, and comes back."""
    first = accept("score=1 sleep=3")
    accept("score=2")
    with working(clustered):
        until(lambda: tries(clustered, first) == 1)
        server.stop()
        time.sleep(2)
        server.start()
        until(lambda: results(clustered) == 2)
    with clustered.database.reading() as session:
        assert set(session.scalars(select(Grading.tries))) == {1}


def test_a_job_of_what_is_gone_is_nothing(clustered: Service, accept: Callable[..., str]) -> None:
    submission = accept("score=1")
    with clustered.database.transaction() as session:
        session.delete(session.get_one(Submission, submission))
    assert grading.grade(clustered, FakeGrader(), submission, worker="w") == "nothing"
