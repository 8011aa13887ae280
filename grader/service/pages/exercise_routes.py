"""Show the exercise of a placement."""

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from grader.service.access import Access
from grader.service.lti.web import service_of
from grader.service.pages import statement
from grader.service.pages.rendering import pages_of
from grader.service.pages.visit import Visit


@get("/links/{link_id:str}", opt={"access": Access.LINK}, sync_to_thread=True)
def exercise(request: Request[Any, Any, Any], visit: NamedDependency[Visit]) -> Response[str]:
    """Show what is asked."""
    service = service_of(request.app)
    known = service.exercises.get(visit.placement.exercise)
    return pages_of(request.app).page(
        "exercise",
        visit,
        exercise=known,
        points=0 if known is None else sum(criterion.points for criterion in known.rubric),
        statement=None if known is None else statement.render(known),
    )


HANDLERS = [exercise]
