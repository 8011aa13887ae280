"""Grade one submission: begin its try, judge, record the result once.

    waiting --begin (tries + 1)--> judged --> result recorded, done
       ^                             |
       +-- again, later <-- an error of ours: no report, internal_error, a dead process
       parked <-- the third such try

A try is counted before it starts, so that a submission which takes its worker down with it, or the
whole machine, is parked after three of them whoever was running it. What runs twice by accident (a
frozen worker that wakes up) computes the same result twice, and one is recorded.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple, TypeVar

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.errors import UsageError
from grader.model import Exercise, Report
from grader.report.document import from_json
from grader.service import results
from grader.service.core import Service
from grader.service.database import outlasting
from grader.service.fetching import FETCHING_S, FetchFailed, fetch
from grader.service.judging.work import Grader, GraderDied, Work
from grader.service.submissions import File, files_of
from grader.service.tables import DONE, PARKED, WAITING, Grading, Submission, now

MOST_TRIES = 3
BACKOFF_S = (0.0, 5.0, 30.0)
"""Seconds before the next try, by the number of tries made."""

_CLOCKS_DIFFER = timedelta(seconds=2)
"""A queue on another machine may call a little early; a try then is better than none."""

_log = structlog.get_logger()
_T = TypeVar("_T")


class _Begun(NamedTuple):
    """A try that was begun."""

    submission: Submission
    files: tuple[File, ...]
    round: int
    waited_s: float


def grade(
    service: Service,
    grader: Grader,
    submission_id: str,
    *,
    worker: str,
    is_stopping: Callable[[], bool] = lambda: False,
) -> str:
    """Grade a submission if that is still to be done.

    Args:
        worker: name of who grades, for staff.
        is_stopping: whether a grader that dies does so because we ended it.

    Returns:
        What became of it: "recorded", "copied", "known", "again", "parked", "nothing" or "stopped".
    """
    begun = _done(service, lambda session: _begin(service, session, submission_id, worker))
    if isinstance(begun, str):
        _said(begun, submission_id, worker)
        return begun
    service.metrics.waited_s.observe(begun.waited_s)
    started = time.monotonic()
    try:
        report = _judged(service, grader, begun)
    except _Failed as failure:
        if failure.is_fatal and is_stopping():
            _done(service, lambda session: _give_back(service, session, begun))
            return "stopped"
        problem = str(failure)
        outcome = _done(service, lambda session: _again(service, session, begun, problem))
        _said(outcome, submission_id, worker, problem=problem)
        return outcome
    service.metrics.graded_s.observe(time.monotonic() - started)
    outcome = _done(service, lambda session: _record(service, session, begun, report, worker))
    if outcome == "recorded":
        service.metrics.results.labels(report.verdict).inc()
    _said(outcome, submission_id, worker, verdict=report.verdict)
    return outcome


def _done(service: Service, work: Callable[[Session], _T]) -> _T:
    """Do a piece of work on the database, whatever outage comes between."""
    return outlasting(lambda: service.database.do(work))


class _Failed(Exception):
    """An error of ours; is_fatal: it took the grader down."""

    def __init__(self, problem: str, *, is_fatal: bool = False) -> None:
        super().__init__(problem)
        self.is_fatal = is_fatal


def _begin(service: Service, session: Session, submission_id: str, worker: str) -> _Begun | str:
    """Count a try, unless nothing is to be done or too many were made."""
    rows = select(Grading).where(Grading.submission_id == submission_id)
    grading = session.scalars(rows.with_for_update()).one_or_none()
    moment = now()
    if grading is None or grading.state != WAITING:
        return "nothing"
    if grading.not_before is not None and grading.not_before > moment + _CLOCKS_DIFFER:
        return "nothing"
    submission = session.get_one(Submission, submission_id)
    if _copy(service, session, submission, grading, worker):
        return "copied"
    if grading.tries >= MOST_TRIES:
        _park(grading, grading.problem or f"it took its worker down {MOST_TRIES} times")
        return "parked"
    waited = moment - (grading.not_before or grading.waiting_since)
    grading.tries += 1
    grading.started_at, grading.worker = moment, worker
    return _Begun(submission, files_of(submission), grading.round, waited.total_seconds())


def _copy(
    service: Service, session: Session, submission: Submission, grading: Grading, worker: str
) -> bool:
    """Give a submission the result that the same files of the same user have."""
    exercise = service.exercises.get(submission.exercise)
    if exercise is None:
        return False
    same = results.of_same_files(session, submission, exercise.digest)
    if same is None:
        return False
    copied = None if same.submission_id == submission.id else same.submission_id
    report = from_json(same.report)
    results.record(
        service,
        session,
        submission,
        report,
        round=grading.round,
        worker=worker,
        copied_from=copied,
    )
    return True


def _judged(service: Service, grader: Grader, begun: _Begun) -> Report:
    """Return the report of a submission."""
    exercise = service.exercises.get(begun.submission.exercise)
    if exercise is None:
        raise _Failed(f"exercise {begun.submission.exercise!r} is not served here")
    try:
        reply = grader.grade(Work(_folder(exercise), _contents(service, begun)))
    except FetchFailed as error:
        raise _Failed(f"a file could not be fetched: {error}") from None
    except GraderDied as error:
        raise _Failed(str(error), is_fatal=True) from None
    if reply.error:
        raise _Failed(reply.error)
    try:
        report = from_json(reply.report)
    except UsageError as error:
        raise _Failed(str(error)) from None
    if report.verdict == "internal_error":
        raise _Failed(str(report.findings[0].evidence.get("problem", "internal error")))
    return report


def _contents(service: Service, begun: _Begun) -> tuple[tuple[str, bytes], ...]:
    """Return the bytes of every file, fetching those that were sent as addresses."""
    end_s = time.monotonic() + FETCHING_S
    return tuple(
        (file.name, fetch(service, begun.submission.source, file, end_s=end_s))
        if file.content is None
        else (file.name, file.content)
        for file in begun.files
    )


def _record(service: Service, session: Session, begun: _Begun, report: Report, worker: str) -> str:
    submission = session.get(Submission, begun.submission.id)
    if submission is None:  # purged meanwhile
        return "nothing"
    rows = select(Grading.id).where(
        Grading.submission_id == submission.id,
        Grading.round == begun.round,
        Grading.state != DONE,
    )
    # What another one has finished since is newer, be it by an older version of the exercise.
    if session.scalars(rows.with_for_update()).one_or_none() is None:
        return "known"
    fresh = results.record(service, session, submission, report, round=begun.round, worker=worker)
    return "recorded" if fresh else "known"


def _again(service: Service, session: Session, begun: _Begun, problem: str) -> str:
    """Let a grading wait for its next try, or park it."""
    rows = select(Grading).where(
        Grading.submission_id == begun.submission.id,
        Grading.round == begun.round,
        Grading.state == WAITING,
    )
    grading = session.scalars(rows.with_for_update()).one_or_none()
    if grading is None:
        return "nothing"
    grading.problem = problem[:1000]
    if grading.tries >= MOST_TRIES:
        _park(grading, problem)
        return "parked"
    later = now() + timedelta(seconds=BACKOFF_S[grading.tries])
    grading.not_before = later
    service.dispatch.enqueue(session, grading, at=later)
    return "again"


def _give_back(service: Service, session: Session, begun: _Begun) -> None:
    """Take a try back that our own stopping cut short: it says nothing about the submission."""
    rows = select(Grading).where(Grading.submission_id == begun.submission.id)
    grading = session.scalars(rows.with_for_update()).one_or_none()
    if grading is not None and grading.round == begun.round and grading.state == WAITING:
        grading.tries = max(0, grading.tries - 1)
        service.dispatch.enqueue(session, grading)


def _park(grading: Grading, problem: str) -> None:
    grading.state, grading.problem = PARKED, problem[:1000]


def _folder(exercise: Exercise) -> str:
    return str(exercise.folder)


def _said(outcome: str, submission_id: str, worker: str, **more: str) -> None:
    """Log what became of a submission: never what it holds, nor what it says."""
    if "problem" in more:
        more = {"problem": more["problem"].split(":")[0][:100]}
    _log.info("grading", outcome=outcome, submission=submission_id, worker=worker, **more)
