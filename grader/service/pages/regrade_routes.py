"""Let staff grade submissions again, see what that changes, then publish or discard it."""

from typing import Any

from anyio.to_thread import run_sync
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from grader.service.access import NOT_YOURS, Access
from grader.service.lti import changes, grades, holding
from grader.service.lti.tables import LtiLink
from grader.service.lti.web import service_of
from grader.service.pages import staff, submission_routes
from grader.service.pages.forms import form_of
from grader.service.pages.rendering import pages_of, policy
from grader.service.pages.visit import Visit

Asked = Request[Any, Any, Any]

_SAID = {
    "nothing": "Nothing is to be graded again: this version of the exercise has judged it.",
    "stopped": "Those that nobody had begun are left as they are.",
    "published": "The new results count now. Grades that changed are on their way to the course.",
    "discarded": "The new results are gone. Nothing has changed.",
    "grading": "Some are still being graded: wait for them, or stop.",
}


@get("/links/{link_id:str}/regrading", opt={"access": Access.LINK_STAFF}, sync_to_thread=True)
def regrading(
    request: Asked, visit: NamedDependency[Visit], said: FromQuery[str] = ""
) -> Response[str]:
    """Show what could be graded again, how far that is, or what it would change."""
    service = service_of(request.app)
    with service.database.reading() as session:
        link = session.get_one(LtiLink, visit.placement.id)
        far = holding.progress(session, link)
        outdated = holding.outdated(service, session, link)
        changed: list[changes.Change] = []
        if not far.waiting:
            look = changes.of_regrading if far.held else changes.of_exercise
            changed = look(session, link, grades.policy_of(link))
        staying = changes.staying(session, link)
    return staff.page(
        request,
        visit,
        "regrading",
        far=far,
        is_held=link.held,
        outdated=len(outdated),
        changes=changed,
        staying=staying,
        said=_SAID.get(said, ""),
    )


@get(
    "/links/{link_id:str}/regrading/progress",
    opt={"access": Access.LINK_STAFF},
    sync_to_thread=True,
)
def regrading_progress(request: Asked, visit: NamedDependency[Visit]) -> Response[str]:
    """Return how far it is, for a page that asks again and again; then have it load the rest."""
    with service_of(request.app).database.reading() as session:
        far = holding.progress(session, session.get_one(LtiLink, visit.placement.id))
    headers = {"Content-Security-Policy": policy(visit.frames)}
    if not far.waiting:
        headers["HX-Refresh"] = "true"
    text = pages_of(request.app).part("regrading_progress", visit, far=far)
    return Response(text, media_type="text/html", headers=headers)


@post("/links/{link_id:str}/regrading", opt={"access": Access.LINK_STAFF}, sync_to_thread=True)
def begin(request: Asked, visit: NamedDependency[Visit]) -> Redirect:
    """Grade one submission again, or all that an older version has judged."""
    service, one = service_of(request.app), form_of(request).text("submission")
    begun = holding.begin(service, visit.placement.id, one)
    return _back(request, visit, "" if begun else "nothing")


@post("/links/{link_id:str}/regrading/stop", opt={"access": Access.LINK_STAFF}, sync_to_thread=True)
def stop(request: Asked, visit: NamedDependency[Visit]) -> Redirect:
    """Leave those as they are that nobody has begun."""
    holding.stop(service_of(request.app), visit.placement.id)
    return _back(request, visit, "stopped")


@post(
    "/links/{link_id:str}/regrading/publish", opt={"access": Access.LINK_STAFF}, sync_to_thread=True
)
def publish(request: Asked, visit: NamedDependency[Visit]) -> Redirect:
    """Let the new results count, and send the grades that they change."""
    try:
        holding.publish(service_of(request.app), visit.placement.id)
    except holding.StillGrading:
        return _back(request, visit, "grading")
    return _back(request, visit, "published")


@post(
    "/links/{link_id:str}/regrading/discard", opt={"access": Access.LINK_STAFF}, sync_to_thread=True
)
def discard(request: Asked, visit: NamedDependency[Visit]) -> Redirect:
    """Drop the new results."""
    try:
        holding.discard(service_of(request.app), visit.placement.id)
    except holding.StillGrading:
        return _back(request, visit, "grading")
    return _back(request, visit, "discarded")


@get(
    "/links/{link_id:str}/submissions/{submission_id:str}/held",
    opt={"access": Access.LINK_SUBMISSION_STAFF},
)
async def held_report(
    request: Asked, visit: NamedDependency[Visit], submission_id: FromPath[str]
) -> Response[str]:
    """Show the report of a new result that is not published yet."""
    report = await submission_routes.drawn(request, visit, submission_id, held=True)
    if not report:
        raise NotFoundException(NOT_YOURS)
    return await run_sync(
        lambda: staff.page(request, visit, "held", report=report, submission=submission_id)
    )


def _back(request: Asked, visit: Visit, said: str) -> Redirect:
    path = f"{pages_of(request.app).root}{visit.home}/regrading"
    return Redirect(f"{path}?said={said}" if said else path, status_code=303)


HANDLERS = [regrading, regrading_progress, begin, stop, publish, discard, held_report]
