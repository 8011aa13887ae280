"""Show staff what went wrong at our side, and let them try it again."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromQuery
from litestar.response import Redirect

from grader.service.access import NOT_YOURS, Access
from grader.service.lti import holding
from grader.service.lti.web import service_of
from grader.service.pages import staff
from grader.service.pages import trouble as given_up
from grader.service.pages.forms import form_of
from grader.service.pages.rendering import pages_of
from grader.service.pages.visit import Visit
from grader.service.tables import Grading, Notice
from grader.service.webhooks import outbound

Asked = Request[Any, Any, Any]
MOST = 500
"""Of each kind that are shown."""


@get("/links/{link_id:str}/trouble", opt={"access": Access.LINK_STAFF}, sync_to_thread=True)
def trouble(
    request: Asked, visit: NamedDependency[Visit], said: FromQuery[str] = ""
) -> Response[str]:
    """List the submissions that we could not grade, and messages that nobody took."""
    link = visit.placement
    gradings = given_up.parked(link).order_by(Grading.started_at.desc()).limit(MOST)
    notices = given_up.notices(link).order_by(Notice.created_at.desc()).limit(MOST)
    with service_of(request.app).database.reading() as session:
        failed = session.execute(gradings).all()
        held = session.execute(notices).all()
    again = said if said.isdecimal() and said.isascii() and len(said) < 6 else None
    return staff.page(request, visit, "trouble", failed=failed, notices=held, said=again)


@post("/links/{link_id:str}/trouble/retry", opt={"access": Access.LINK_STAFF}, sync_to_thread=True)
def retry(request: Asked, visit: NamedDependency[Visit]) -> Redirect:
    """Grade one of them again, or all; what would replace a result is held."""
    service, wanted = service_of(request.app), form_of(request).text("submission")
    with service.database.reading() as session:
        ids = [row.id for row in session.execute(given_up.parked(visit.placement))]
    if wanted and wanted not in ids:
        raise NotFoundException(NOT_YOURS)
    again = holding.retry(service, visit.placement.id, [wanted] if wanted else ids)
    return _back(request, visit, again)


@post("/links/{link_id:str}/trouble/resend", opt={"access": Access.LINK_STAFF}, sync_to_thread=True)
def resend_notice(request: Asked, visit: NamedDependency[Visit]) -> Redirect:
    """Send one of the messages again, or all."""
    service, wanted = service_of(request.app), form_of(request).text("notice")
    with service.database.reading() as session:
        ids = [row.id for row in session.execute(given_up.notices(visit.placement))]
    if wanted and wanted not in ids:
        raise NotFoundException("there is no such message, or it was sent or superseded")
    again = sum(outbound.resend(service, id) for id in ([wanted] if wanted else ids))
    return _back(request, visit, again)


def _back(request: Asked, visit: Visit, again: int) -> Redirect:
    path = f"{pages_of(request.app).root}{visit.home}/trouble?said={again}"
    return Redirect(path, status_code=303)


HANDLERS = [trouble, retry, resend_notice]
