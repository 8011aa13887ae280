"""Show one submission: how far it is, its report, and the file itself."""

from typing import Any
from urllib.parse import quote

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from markupsafe import Markup
from sqlalchemy.orm import Session

from grader.service import results
from grader.service.access import NOT_YOURS, Access
from grader.service.lti import grades
from grader.service.lti.tables import LtiAttempt
from grader.service.lti.web import service_of
from grader.service.pages.attempts import Attempt, attempts, one_of, place_of
from grader.service.pages.rendering import pages_of
from grader.service.pages.standing import standing
from grader.service.pages.visit import Visit
from grader.service.reports import Reports
from grader.service.submissions import File, files_of
from grader.service.tables import Submission

Asked = Request[Any, Any, Any]


@get(
    "/links/{link_id:str}/submissions/{submission_id:str}",
    opt={"access": Access.LINK_SUBMISSION},
    sync_to_thread=True,
)
def submission(
    request: Asked, visit: NamedDependency[Visit], submission_id: FromPath[str]
) -> Response[str]:
    """Show a submission: its report, or how far it is."""
    link = visit.placement
    with service_of(request.app).database.reading() as session:
        listed = _of_its_user(session, visit, submission_id)
        found = _one(listed, submission_id)
        now = standing(session, link, found.user)
        place = place_of(session, submission_id)
        report = _report(request, session, visit, submission_id) if found.is_final else ""
    return pages_of(request.app).page(
        "submission",
        visit,
        attempt=found,
        is_latest=found is listed[-1],
        attempts=listed,
        standing=now,
        policy=grades.policy_of(link),
        place=place,
        report=report,
    )


@get(
    "/links/{link_id:str}/submissions/{submission_id:str}/report",
    opt={"access": Access.LINK_SUBMISSION},
    sync_to_thread=True,
)
def report(
    request: Asked, visit: NamedDependency[Visit], submission_id: FromPath[str]
) -> Response[str]:
    """Return the report alone, for a page that has waited for it."""
    with service_of(request.app).database.reading() as session:
        part = _report(request, session, visit, submission_id)
    return Response(str(part), media_type="text/html")


@get(
    "/links/{link_id:str}/submissions/{submission_id:str}/file",
    opt={"access": Access.LINK_SUBMISSION},
    sync_to_thread=True,
)
def file(
    request: Asked, visit: NamedDependency[Visit], submission_id: FromPath[str]
) -> Response[bytes]:
    """Return the file as it was handed in; never shown by the browser, whatever it holds."""
    with service_of(request.app).database.reading() as session:
        sent = _file(session, submission_id)
    if sent is None or sent.content is None:
        raise NotFoundException("it is not one file that was handed in here")
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(sent.name, safe='')}",
        "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    }
    return Response(sent.content, media_type="application/octet-stream", headers=headers)


def _of_its_user(session: Session, visit: Visit, submission_id: str) -> list[Attempt]:
    """Return the attempts among which a submission is: a visitor's own, or for staff its user's."""
    attempt = session.get(LtiAttempt, submission_id)
    if attempt is None:  # purged since the guard looked
        raise NotFoundException(NOT_YOURS)
    return attempts(session, visit.placement.id, attempt.user)


def _one(listed: list[Attempt], submission_id: str) -> Attempt:
    found = one_of(listed, submission_id)
    if found is None:
        raise NotFoundException(NOT_YOURS)
    return found


def _report(request: Asked, session: Session, visit: Visit, submission_id: str) -> Markup:
    """Return the newest report as a part of a page; "" where there is none, and is none to come."""
    result = results.latest(session, submission_id)
    if result is None:
        return Markup("")
    sent = _file(session, submission_id)
    source = None
    if sent is not None and sent.content is not None and sent.name.lower().endswith(".py"):
        source = sent.content.decode("utf-8-sig", "replace")
    reports: Reports = request.app.state.reports
    return reports.part(result, source, staff=visit.is_staff)


def _file(session: Session, submission_id: str) -> File | None:
    """Return the file of a submission that is one."""
    found = session.get(Submission, submission_id)
    files = () if found is None else files_of(found)
    return files[0] if len(files) == 1 else None


HANDLERS = [submission, report, file]
