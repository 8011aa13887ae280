"""Show one submission: how far it is, its report, and the file itself."""

from typing import Any, NamedTuple
from urllib.parse import quote

from anyio.to_thread import run_sync
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from markupsafe import Markup
from sqlalchemy.orm import Session

from grader.service import results
from grader.service.access import NOT_YOURS, Access
from grader.service.core import Service
from grader.service.lti import grades
from grader.service.lti.web import service_of
from grader.service.pages.attempts import of_its_user, one_of, place_of, title
from grader.service.pages.rendering import pages_of
from grader.service.pages.standing import standing
from grader.service.pages.visit import Visit
from grader.service.reports import Reports
from grader.service.submissions import File, files_of
from grader.service.tables import Result, Submission

Asked = Request[Any, Any, Any]


class _Judged(NamedTuple):
    """A result, and what it is of where that can be shown."""

    result: Result
    source: str | None


@get(
    "/links/{link_id:str}/submissions/{submission_id:str}",
    opt={"access": Access.LINK_SUBMISSION},
)
async def submission(
    request: Asked, visit: NamedDependency[Visit], submission_id: FromPath[str]
) -> Response[str]:
    """Show a submission: its report, or how far it is."""
    facts, judged = await run_sync(_facts, service_of(request.app), visit, submission_id)
    report = await _drawn(request, visit, judged)
    return pages_of(request.app).page("submission", visit, report=report, **facts)


@get(
    "/links/{link_id:str}/submissions/{submission_id:str}/report",
    opt={"access": Access.LINK_SUBMISSION},
)
async def report(
    request: Asked, visit: NamedDependency[Visit], submission_id: FromPath[str]
) -> Response[str]:
    """Return the report alone, for a page that has waited for it."""
    return Response(str(await drawn(request, visit, submission_id)), media_type="text/html")


async def drawn(request: Asked, visit: Visit, submission_id: str, *, held: bool = False) -> Markup:
    """Return the newest report of a submission as a part of a page; "" where there is none.

    Args:
        held: of a result that is not published yet.
    """
    judged = await run_sync(_latest, service_of(request.app), submission_id, held)
    return await _drawn(request, visit, judged)


def _facts(
    service: Service, visit: Visit, submission_id: str
) -> tuple[dict[str, Any], _Judged | None]:
    """Return what the page of a submission shows, and its result when it is final."""
    link = visit.placement
    with service.database.reading() as session:
        listed, exercise = of_its_user(session, link, submission_id)
        found, place = one_of(listed, submission_id), place_of(session, submission_id)
        if found is None or place is None:
            raise NotFoundException(NOT_YOURS)
        now = standing(session, link, found.user, exercise=exercise)
    facts = {
        "attempt": found,
        "before": title(service.exercises, exercise) if exercise != link.exercise else "",
        "attempts": listed,
        "standing": now,
        "policy": grades.policy_of(link),
        "place": place,
    }
    return facts, _latest(service, submission_id) if found.is_final else None


def _latest(service: Service, submission_id: str, held: bool = False) -> _Judged | None:
    """Return the newest result of a submission; None where there is none, or none to come."""
    with service.database.reading() as session:
        result = results.latest(session, submission_id, held=held)
        sent = None if result is None else _file(session, submission_id)
    if result is None:
        return None
    if sent is None or sent.content is None or not sent.name.lower().endswith(".py"):
        return _Judged(result, None)
    return _Judged(result, sent.content.decode("utf-8-sig", "replace"))


async def _drawn(request: Asked, visit: Visit, judged: _Judged | None) -> Markup:
    """Return the report as a part of a page; "" where there is none."""
    if judged is None:
        return Markup("")
    reports: Reports = request.app.state.reports
    return await reports.part(judged.result, judged.source, staff=visit.is_staff)


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


def _file(session: Session, submission_id: str) -> File | None:
    """Return the file of a submission that is one."""
    found = session.get(Submission, submission_id)
    files = () if found is None else files_of(found)
    return files[0] if len(files) == 1 else None


HANDLERS = [submission, report, file]
