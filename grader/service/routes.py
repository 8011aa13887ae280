"""Answer what is no webhook and no page: health, metrics, the state and report of a submission."""

from functools import partial
from typing import Any

import msgspec
from anyio.to_thread import run_sync
from litestar import MediaType, Request, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.report.document import to_json
from grader.report.format import Format
from grader.service import regrading, results
from grader.service.access import Access, Reader
from grader.service.core import Service
from grader.service.lti.sessions import source_of
from grader.service.lti.tables import LtiGrade
from grader.service.reports import Reports
from grader.service.tables import DONE, PARKED, Grading, Notice, Result, Submission
from grader.service.urls import report_url
from grader.service.webhooks import outbound
from grader.service.webhooks.planning import REFUSED

_HTML_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""The page has a stricter policy of its own inside: its one style sheet, by digest."""


class State(msgspec.Struct, omit_defaults=True):
    """How far a submission is.

    Attributes:
        state: "waiting", "done", or "parked": we failed, and somebody has to look.
        verdict, score, max_score, report_url: of the newest result.
        problem: why it is parked; for staff only.
    """

    id: str
    exercise: str
    state: str
    verdict: str = ""
    score: int | None = None
    max_score: int | None = None
    report_url: str = ""
    problem: str = ""


class GivenUp(msgspec.Struct):
    """Something that was given up on, for the operator."""

    kind: str
    id: str
    source: str
    problem: str


def service_of(request: Request[Any, Any, Any]) -> Service:
    """Return the service that the application was made for."""
    service: Service = request.app.state.service
    return service


@get("/healthz", opt={"access": Access.PUBLIC}, sync_to_thread=False)
def healthz() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "ok"}


@get("/readyz", opt={"access": Access.PUBLIC}, sync_to_thread=True)
def readyz(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Say that the database answers as well; 503 when it does not."""
    with service_of(request).database.reading() as session:
        session.execute(select(1))
    return {"status": "ok"}


@get("/metrics", opt={"access": Access.PUBLIC}, sync_to_thread=True, media_type=MediaType.TEXT)
def metrics(request: Request[Any, Any, Any]) -> bytes:
    """Tell Prometheus the counters; they name no user and no course."""
    service = service_of(request)
    return service.metrics.text(service.database)


@get("/submissions/{submission_id:str}", opt={"access": Access.SUBMISSION}, sync_to_thread=True)
def submission_state(request: Request[Any, Any, Any], submission_id: FromPath[str]) -> State:
    """Say how far a submission is."""
    service, reader = service_of(request), _reader(request)
    with service.database.reading() as session:
        submission, grading, result = _found(session, submission_id)
    state = State(submission.id, submission.exercise, grading.state)
    if grading.state == PARKED:
        state.verdict = "internal_error"
        state.problem = grading.problem if reader.is_staff else ""
    if result is not None and grading.state == DONE:
        state.verdict, state.score, state.max_score = result.verdict, result.score, result.max_score
        state.report_url = report_url(service.settings, submission)
    return state


@get("/submissions/{submission_id:str}/report", opt={"access": Access.SUBMISSION})
async def submission_report(
    request: Request[Any, Any, Any],
    submission_id: FromPath[str],
    format: FromQuery[str] = "json",
) -> Response[bytes]:
    """Return the newest report as JSON or HTML: the staff's for staff, else the student's."""
    reports: Reports = request.app.state.reports
    staff = _reader(request).is_staff
    result = await run_sync(_result, service_of(request), submission_id)
    if format != Format.html:
        report = await run_sync(partial(reports.of, result, staff=staff))
        return Response(to_json(report), media_type=MediaType.JSON)
    page = await reports.page(result, staff=staff)
    headers = {"Content-Security-Policy": _HTML_POLICY}
    return Response(page.encode(), media_type=MediaType.HTML, headers=headers)


def _result(service: Service, submission_id: str) -> Result:
    with service.database.reading() as session:
        _, _, result = _found(session, submission_id)
    if result is None:
        raise NotFoundException("there is no report yet")
    return result


@post(
    "/submissions/{submission_id:str}/regrade",
    opt={"access": Access.OPERATOR},
    sync_to_thread=True,
    status_code=202,
)
def submission_regrade(
    request: Request[Any, Any, Any], submission_id: FromPath[str]
) -> dict[str, bool]:
    """Grade a submission once more: one that is parked, or judged by an older exercise."""
    service = service_of(request)
    return {"waits": regrading.regrade(service, submission_id)}


@get("/parked", opt={"access": Access.OPERATOR}, sync_to_thread=True)
def parked(request: Request[Any, Any, Any]) -> list[GivenUp]:
    """List what was given up on: gradings, notices that nobody took, grades that no LMS took."""
    with service_of(request).database.reading() as session:
        rows = select(Grading, Submission.source).join(
            Submission, Submission.id == Grading.submission_id
        )
        gradings = session.execute(rows.where(Grading.state == PARKED).limit(1000)).all()
        notices = select(Notice).where(Notice.state == PARKED).limit(1000)
        notices = notices.order_by(Notice.problem == REFUSED)  # of a source that is gone: last
        held = session.scalars(select(LtiGrade).where(LtiGrade.step == PARKED).limit(1000))
        grades = [GivenUp("grade", str(g.id), source_of(g.platform_id), g.problem) for g in held]
        return [
            *grades,
            *(
                GivenUp("grading", one.submission_id, source, one.problem)
                for one, source in gradings
            ),
            *(GivenUp("notice", n.id, n.source, n.problem) for n in session.scalars(notices)),
        ]


@post(
    "/notices/{notice_id:str}/resend",
    opt={"access": Access.OPERATOR},
    sync_to_thread=True,
    status_code=202,
)
def notice_resend(request: Request[Any, Any, Any], notice_id: FromPath[str]) -> dict[str, bool]:
    """Send a notice that was given up on again, on a new schedule."""
    if not outbound.resend(service_of(request), notice_id):
        raise NotFoundException("there is no such notice, or it was sent or superseded")
    return {"waits": True}


def _reader(request: Request[Any, Any, Any]) -> Reader:
    reader: Reader = request.state.reader
    return reader


def _found(session: Session, submission_id: str) -> tuple[Submission, Grading, Result | None]:
    """Return a submission that the guard let through, its grading and its newest result."""
    submission = session.get(Submission, submission_id)
    grading = session.scalar(select(Grading).where(Grading.submission_id == submission_id))
    if submission is None or grading is None:  # purged since the guard looked
        raise NotFoundException
    return submission, grading, results.latest(session, submission_id)


HANDLERS = [
    healthz,
    readyz,
    metrics,
    submission_state,
    submission_report,
    submission_regrade,
    parked,
    notice_resend,
]
