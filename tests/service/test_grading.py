"""A submission is graded once, whatever dies; what cannot be graded is parked and shown."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from litestar.testing import TestClient
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError

import reference
from grader.errors import UsageError
from grader.service import database as database_module
from grader.service import grading, regrading, results, submissions
from grader.service.core import Service
from grader.service.dispatch import NoDispatch
from grader.service.submissions import File, Incoming
from grader.service.tables import (
    DONE,
    PARKED,
    WAITING,
    Grading,
    Notice,
    Result,
    Submission,
    now,
)
from grader.service.webhooks import sources
from service.conftest import OPERATOR
from service.fakes import FakeGrader

Accept = Callable[..., Submission]


@pytest.fixture
def accept(service: Service, incoming: Callable[..., Incoming]) -> Accept:
    def make(content: str = "score=70", **changes: Any) -> Submission:
        with service.database.transaction() as session:
            made = incoming(content.encode(), **changes)
            return submissions.accept(session, made, NoDispatch())

    return make


def state(service: Service, submission: Submission) -> Grading:
    with service.database.reading() as session:
        return session.scalars(select(Grading).where(Grading.submission_id == submission.id)).one()


def found(service: Service, submission: Submission) -> list[Result]:
    with service.database.reading() as session:
        rows = select(Result).where(Result.submission_id == submission.id).order_by(Result.id)
        return list(session.scalars(rows))


def at_once(service: Service) -> None:
    """Let what waits for later wait no more."""
    with service.database.transaction() as session:
        session.execute(update(Grading).values(not_before=None))


def test_a_result_is_recorded_with_its_report(service: Service, accept: Accept) -> None:
    submission = accept("score=70")
    assert grading.grade(service, FakeGrader(), submission.id, worker="w") == "recorded"
    (result,) = found(service, submission)
    assert (result.score, result.max_score, result.worker) == (70, 100, "w")
    assert state(service, submission).state == DONE
    assert grading.grade(service, FakeGrader(), submission.id, worker="w") == "nothing"


def test_the_same_files_of_the_same_user_are_judged_once(service: Service, accept: Accept) -> None:
    grader = FakeGrader()
    first, again = accept("score=70"), accept("score=70")
    assert grading.grade(service, grader, first.id, worker="w") == "recorded"
    assert grading.grade(service, grader, again.id, worker="w") == "copied"
    assert len(grader.seen) == 1
    (copy,) = found(service, again)
    assert (copy.score, copy.copied_from) == (70, first.id)


@pytest.mark.parametrize(
    "changes", [{"user": "bob"}, {"source": "other"}, {"exercise": "basic_block"}]
)
def test_anybody_elses_same_files_are_judged_again(
    service: Service, accept: Accept, changes: dict[str, str]
) -> None:
    grader = FakeGrader()
    for submission in (accept("score=70"), accept("score=70", **changes)):
        assert grading.grade(service, grader, submission.id, worker="w") == "recorded"
    assert len(grader.seen) == 2


def test_another_version_of_the_exercise_judges_again(service: Service, accept: Accept) -> None:
    submission = accept("score=70")
    grading.grade(service, FakeGrader(digest="0" * 64), submission.id, worker="w")
    assert regrading.regrade(service, submission.id)
    assert not regrading.regrade(service, submission.id)  # it waits already
    assert grading.grade(service, FakeGrader(), submission.id, worker="w") == "recorded"
    assert len(found(service, submission)) == 2
    # Under a version that has judged it, nothing runs.
    grader = FakeGrader()
    assert regrading.regrade_many(service, [submission.id]) == 1
    assert grading.grade(service, grader, submission.id, worker="w") == "copied"
    assert grader.seen == []
    assert len(found(service, submission)) == 2
    assert state(service, submission).state == DONE


def test_a_version_that_comes_back_counts_again(
    service: Service, accept: Accept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are what they were, and so is its digest."""
    sources.add(service.database, "campus", callback_url="https://campus.example.org/")
    submission = accept("score=70")
    grading.grade(service, FakeGrader(), submission.id, worker="before")
    assert regrading.regrade(service, submission.id)
    with monkeypatch.context() as another_version:
        another_version.setattr(results, "of_same_files", lambda *_: None)
        grading.grade(service, FakeGrader(digest="0" * 64), submission.id, worker="wrong")
    assert regrading.outdated(service, reference.DEFAULT) == [submission.id]
    assert regrading.regrade_many(service, [submission.id]) == 1
    grader = FakeGrader()
    assert grading.grade(service, grader, submission.id, worker="after") == "copied"
    assert grader.seen == []
    assert [one.worker for one in found(service, submission)] == ["wrong", "after"]
    assert regrading.outdated(service, reference.DEFAULT) == []
    with service.database.reading() as session:
        assert session.scalar(select(func.count(Notice.id))) == 3


def test_what_another_version_judged_is_outdated(service: Service, accept: Accept) -> None:
    old, new = accept("score=1"), accept("score=2", course="topology")
    waiting = accept("score=3")
    grading.grade(service, FakeGrader(digest="0" * 64), old.id, worker="w")
    grading.grade(service, FakeGrader(), new.id, worker="w")
    assert regrading.outdated(service, reference.DEFAULT) == [old.id, waiting.id]
    assert regrading.outdated(service, reference.DEFAULT, course="topology") == []
    for name in ("source", "course"):
        with pytest.raises(UsageError, match=f"{name} 'other'; there are: "):
            regrading.outdated(service, reference.DEFAULT, **{name: "other"})
    with pytest.raises(UsageError, match="there are"):
        regrading.outdated(service, "knitting")
    assert regrading.regrade_many(service, [old.id, waiting.id]) == 1


@pytest.mark.parametrize("word", ["die", "fail", "lie", "internal_error"])
def test_an_error_of_ours_is_tried_three_times_and_parked(
    service: Service, accept: Accept, client: TestClient[Any], word: str
) -> None:
    submission, grader = accept(word), FakeGrader()
    for tries, outcome in ((1, "again"), (2, "again"), (3, "parked")):
        at_once(service)
        assert grading.grade(service, grader, submission.id, worker="w") == outcome
        assert state(service, submission).tries == tries
    assert found(service, submission) == []
    assert len(grader.seen) == 3
    parked = state(service, submission)
    assert parked.state == PARKED
    assert parked.problem
    shown = client.get(f"/submissions/{submission.id}", params={"token": submission.token})
    assert (shown.json()["state"], shown.json()["verdict"]) == ("parked", "internal_error")
    assert "problem" not in shown.json()  # a student is not told what is wrong with us
    headers = {"authorization": f"Bearer {OPERATOR}"}
    (listed,) = client.get("/parked", headers=headers).json()
    assert (listed["kind"], listed["id"]) == ("grading", submission.id)
    # Staff may let it have new tries.
    url = f"/submissions/{submission.id}/regrade"
    assert client.post(url, headers=headers).json() == {"waits": True}
    assert state(service, submission).tries == 0


def test_a_try_that_is_not_to_be_made_yet_is_not_made(
    service: Service, accept: Accept, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission, moment = accept("fail"), now()
    monkeypatch.setattr(grading, "now", lambda: moment)
    assert grading.grade(service, FakeGrader(), submission.id, worker="w") == "again"
    grader = FakeGrader()
    assert grading.grade(service, grader, submission.id, worker="w") == "nothing"
    assert grader.seen == []
    waits = state(service, submission)
    assert waits.not_before is not None
    assert waits.not_before - moment == timedelta(seconds=5)


def test_tries_whose_end_nobody_saw_count_as_well(service: Service, accept: Accept) -> None:
    """The machine went down with it each time: nobody was left to write down why."""
    submission = accept("score=70")

    class Gone(BaseException):
        pass

    def die(work: object) -> None:
        raise Gone

    for _ in range(3):
        with pytest.raises(Gone):
            grading.grade(service, FakeGrader(before=die), submission.id, worker="w")
    grader = FakeGrader()
    assert grading.grade(service, grader, submission.id, worker="w") == "parked"
    assert grader.seen == []
    assert "3 times" in state(service, submission).problem


def test_our_own_stopping_is_no_try(service: Service, accept: Accept) -> None:
    submission = accept("die")
    outcome = grading.grade(
        service, FakeGrader(), submission.id, worker="w", is_stopping=lambda: True
    )
    assert outcome == "stopped"
    assert (state(service, submission).state, state(service, submission).tries) == (WAITING, 0)


def test_a_frozen_worker_that_wakes_changes_nothing(service: Service, accept: Accept) -> None:
    """It took the work, froze, and another one finished before it woke up."""
    sources.add(service.database, "campus", callback_url="https://campus.example.org/")
    submission = accept("score=70")
    frozen, go = threading.Event(), threading.Event()

    def freeze(work: object) -> None:
        frozen.set()
        assert go.wait(60)

    outcomes: list[str] = []

    def sleeper() -> None:
        lying = FakeGrader(before=freeze)
        outcomes.append(grading.grade(service, lying, submission.id, worker="frozen"))

    thread = threading.Thread(target=sleeper)
    thread.start()
    assert frozen.wait(60)
    assert grading.grade(service, FakeGrader(), submission.id, worker="awake") == "recorded"
    go.set()
    thread.join(60)
    assert outcomes == ["known"]
    (result,) = found(service, submission)
    assert result.worker == "awake"
    with service.database.reading() as session:
        assert session.scalar(select(func.count(Notice.id))) == 1


def test_a_worker_of_before_a_regrade_does_not_end_it(service: Service, accept: Accept) -> None:
    submission = accept("score=70")

    def regrade_meanwhile(work: object) -> None:
        grading.grade(service, FakeGrader(digest="1" * 64), submission.id, worker="other")
        assert regrading.regrade(service, submission.id)

    old = FakeGrader(digest="0" * 64, before=regrade_meanwhile)
    assert grading.grade(service, old, submission.id, worker="old") == "known"
    assert state(service, submission).state == WAITING
    assert [one.exercise_digest for one in found(service, submission)] == ["1" * 64]


def test_a_purged_submission_is_nothing_to_record(service: Service, accept: Accept) -> None:
    submission = accept("score=70")

    def purge(work: object) -> None:
        with service.database.transaction() as session:
            session.delete(session.get_one(Submission, submission.id))

    grader = FakeGrader(before=purge)
    assert grading.grade(service, grader, submission.id, worker="w") == "nothing"
    assert found(service, submission) == []


def test_an_outage_is_waited_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module.time, "sleep", lambda seconds: None)
    left = [OperationalError("SELECT 1", {}, Exception("server closed the connection"))] * 3

    def work() -> str:
        if left:
            raise left.pop()
        return "done"

    assert database_module.outlasting(work) == "done"
    left.append(OperationalError("SELECT 1", {}, Exception("gone")))
    with pytest.raises(OperationalError):
        database_module.outlasting(work, patience_s=-1)


def test_a_submission_of_an_exercise_that_is_gone_is_ours_to_mend(
    service: Service, accept: Accept
) -> None:
    submission = accept("score=70", exercise="gone")
    assert grading.grade(service, FakeGrader(), submission.id, worker="w") == "again"
    assert "gone" in state(service, submission).problem


def test_several_files_reach_the_grader(service: Service, accept: Accept) -> None:
    files = (File("a.py", "1", b"score=1"), File("b.py", "2", b"x"))
    submission, grader = accept(files=files), FakeGrader()
    grading.grade(service, grader, submission.id, worker="w")
    assert [name for name, _ in grader.seen[0].files] == ["a.py", "b.py"]
