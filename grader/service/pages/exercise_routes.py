"""Show the exercise of a placement, take in what students hand in, list what they handed in."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Redirect

from grader.service.access import Access
from grader.service.core import Service
from grader.service.lti import grades
from grader.service.lti.web import service_of
from grader.service.pages import handing_in, statement
from grader.service.pages.attempts import Attempt, attempts, before, title
from grader.service.pages.forms import form_of
from grader.service.pages.handing_in import NotTaken
from grader.service.pages.rendering import Pages, pages_of
from grader.service.pages.standing import due, rules, standing
from grader.service.pages.visit import Visit

Asked = Request[Any, Any, Any]


@get("/links/{link_id:str}", opt={"access": Access.LINK}, sync_to_thread=True)
def exercise(request: Asked, visit: NamedDependency[Visit]) -> Response[str]:
    """Show what is asked, what counts, and what the visitor handed in."""
    return _page(service_of(request.app), pages_of(request.app), visit)


@post(
    "/links/{link_id:str}/submissions",
    opt={"access": Access.LINK_STUDENT, "most_bytes": handing_in.MOST_BYTES},
    sync_to_thread=True,
)
def hand_in(request: Asked, visit: NamedDependency[Visit]) -> Response[Any]:
    """Take a submission in, and show how far it is."""
    service, pages, form = service_of(request.app), pages_of(request.app), form_of(request)
    try:
        known = service.exercises.get(visit.placement.exercise)
        if known is None:
            raise NotTaken("Nothing can be handed in here: tell your teacher.", 409)
        file = handing_in.read(form, known)
        id = service.database.do(lambda s: handing_in.hand_in(service, s, visit, file))
    except NotTaken as refusal:
        code = form.text("code")[: handing_in.LIMITS.source_bytes]
        return _page(service, pages, visit, status=refusal.status, problem=str(refusal), code=code)
    service.dispatch.wake()
    return Redirect(f"{pages.root}{visit.home}/submissions/{id}", status_code=303)


@get("/links/{link_id:str}/student", opt={"access": Access.LINK_STAFF}, sync_to_thread=True)
def student(
    request: Asked, visit: NamedDependency[Visit], user: FromQuery[str] = ""
) -> Response[str]:
    """Show staff what one student handed in: also where a review in the course leads."""
    service, link, user = service_of(request.app), visit.placement, user.replace("\0", "")
    with service.database.reading() as session:
        listed, earlier = attempts(session, link, user), before(session, link, user)
        now = standing(session, link, user)
    return pages_of(request.app).page(
        "student",
        visit,
        user=user,
        attempts=listed,
        before=_titled(service, earlier),
        standing=now,
        policy=grades.policy_of(link),
    )


def _page(
    service: Service,
    pages: Pages,
    visit: Visit,
    *,
    status: int = 200,
    problem: str = "",
    code: str = "",
) -> Response[str]:
    """Return the page of the exercise.

    Args:
        problem: why what came with this request was not taken; code: what was pasted.
    """
    link = visit.placement
    with service.database.reading() as session:
        listed, earlier = attempts(session, link, visit.user), before(session, link, visit.user)
        now = standing(session, link, visit.user)
    known, found = service.exercises.get(link.exercise), grades.policy_of(link)
    return pages.page(
        "exercise",
        visit,
        status=status,
        exercise=known,
        points=0 if known is None else sum(criterion.points for criterion in known.rubric),
        statement=None if known is None else statement.render(known),
        attempts=listed,
        before=_titled(service, earlier),
        standing=now,
        policy=found,
        rules=rules(found),
        due=due(found),
        problem=problem,
        code=code,
    )


def _titled(service: Service, earlier: dict[str, list[Attempt]]) -> list[Any]:
    return [(title(service.exercises, name), listed) for name, listed in earlier.items()]


HANDLERS = [exercise, hand_in, student]
