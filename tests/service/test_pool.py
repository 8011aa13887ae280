"""The embedded pool works off what the database says waits, and drains."""

import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from processes import until
from sqlalchemy import func, select

from grader.service import submissions
from grader.service.core import Service
from grader.service.pool import Pool
from grader.service.submissions import Incoming
from grader.service.tables import WAITING, Grading, Result, Submission
from service.fakes import FakeGrader


@contextmanager
def running(
    service: Service, make: Callable[[], FakeGrader], slots: int = 2
) -> Iterator[tuple[Service, Pool]]:
    pool = Pool(make, slots)
    service = dataclasses.replace(service, dispatch=pool)
    pool.serves(service)
    pool.start()
    try:
        yield service, pool
    finally:
        pool.stop()


def results(service: Service) -> int:
    with service.database.reading() as session:
        return session.scalar(select(func.count(Result.id))) or 0


@pytest.fixture
def accept(incoming: Callable[..., Incoming]) -> Callable[..., Submission]:
    def make(service: Service, content: str, **changes: str) -> Submission:
        with service.database.transaction() as session:
            made = incoming(content.encode(), **changes)
            submission = submissions.accept(session, made, service.dispatch)
        service.dispatch.wake()
        return submission

    return make


def test_what_waited_before_it_started_is_graded(
    service: Service, accept: Callable[..., Submission]
) -> None:
    for number in range(10):
        accept(service, f"score={number}")
    with running(service, FakeGrader):
        until(lambda: results(service) == 10)


def test_each_is_graded_once_by_one_slot(
    service: Service, accept: Callable[..., Submission]
) -> None:
    graders: list[FakeGrader] = []

    def make() -> FakeGrader:
        graders.append(FakeGrader())
        return graders[-1]

    with running(service, make, slots=4) as (running_service, _):
        for number in range(30):
            accept(running_service, f"score={number} sleep=0.01")
        until(lambda: results(service) == 30)
    assert sum(len(grader.seen) for grader in graders) == 30


def test_a_small_course_is_not_behind_a_large_one(
    service: Service, accept: Callable[..., Submission]
) -> None:
    order: list[str] = []

    def note(work: object) -> None:
        order.append(work.files[0][1].decode())  # type: ignore[attr-defined]

    for number in range(30):
        accept(service, f"score={number} large", course="large")
    with running(service, lambda: FakeGrader(before=note), slots=1) as (running_service, _):
        until(lambda: len(order) >= 5)
        accept(running_service, "score=99 sleep=0.01", course="small")
        at = len(order)
        until(lambda: "score=99 sleep=0.01" in order)
    # One that was under way when it came, one more at most before it.
    assert order.index("score=99 sleep=0.01") <= at + 2


def test_stopping_lets_what_is_under_way_finish_and_takes_nothing_more(
    service: Service, accept: Callable[..., Submission]
) -> None:
    begun, go = threading.Event(), threading.Event()

    def hold(work: object) -> None:
        begun.set()
        assert go.wait(60)

    accept(service, "score=1")
    accept(service, "score=2")
    with running(service, lambda: FakeGrader(before=hold), slots=1) as (_, pool):
        assert begun.wait(60)
        stopper = threading.Thread(target=pool.stop)
        stopper.start()
        go.set()
        stopper.join(60)
        assert not stopper.is_alive()
    assert results(service) == 1
    with service.database.reading() as session:
        assert session.scalar(select(func.count()).where(Grading.state == WAITING)) == 1
