"""Let staff choose which exercise to put into their course, and carry the answer back."""

import time
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException

from grader.service.access import Access
from grader.service.core import Service
from grader.service.lti import deep_linking, key_store, registry, sessions
from grader.service.lti.claims import origin
from grader.service.lti.launch import DeepLinking
from grader.service.lti.tables import LtiLaunch
from grader.service.lti.web import service_of, tool_of
from grader.service.pages.forms import form_of
from grader.service.pages.rendering import pages_of
from grader.service.pages.visit import Visit

Asked = Request[Any, Any, Any]


@dataclass(frozen=True)
class _Choice:
    name: str
    title: str
    points: int


@get("/choices/{launch_id:str}", opt={"access": Access.CHOICE}, sync_to_thread=True)
def choices(request: Asked, visit: NamedDependency[Visit]) -> Response[str]:
    """Offer the exercises."""
    listed = _exercises(service_of(request.app))
    return pages_of(request.app).page("choose", visit, exercises=listed)


@post(
    "/choices/{launch_id:str}", opt={"access": Access.CHOICE}, sync_to_thread=True, status_code=200
)
def choose(request: Asked, visit: NamedDependency[Visit]) -> Response[str]:
    """Send the chosen exercise back to the platform, through the browser."""
    service = service_of(request.app)
    with service.database.reading() as session:
        opened = session.get_one(LtiLaunch, visit.launch_id)
        platform = registry.get(session, opened.platform_id)
    wanted = sessions.deep_linking(opened)
    chosen = {one.name: one for one in _exercises(service)}.get(form_of(request).text("exercise"))
    if wanted is None or chosen is None:
        raise NotFoundException("there is nothing like this to choose")
    token = deep_linking.response(
        platform,
        opened.deployment,
        wanted,
        [_item(service, chosen, wanted)],
        key_store.signing(service.database),
        now_s=time.time(),
    )
    return pages_of(request.app).page(
        "answer",
        visit,
        form_to=origin(wanted.return_url),
        script="answer.js",
        action=wanted.return_url,
        token=token,
    )


def _item(service: Service, chosen: _Choice, wanted: DeepLinking) -> dict[str, Any]:
    return deep_linking.content_item(
        tool_of(service),
        exercise=chosen.name,
        title=chosen.title,
        maximum=chosen.points,
        with_line_item=wanted.accepts_line_item,
    )


def _exercises(service: Service) -> list[_Choice]:
    return [
        _Choice(one.name, one.title, sum(criterion.points for criterion in one.rubric))
        for one in sorted(service.exercises.values(), key=lambda one: one.title)
    ]


HANDLERS = [choices, choose]
