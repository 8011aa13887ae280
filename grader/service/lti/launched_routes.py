"""Show what a launch opened: an exercise, a student's submissions, or a choice of exercises."""

import time
from dataclasses import dataclass
from typing import Any

from anyio.to_thread import run_sync
from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.service.access import COOKIE, Access, Reader
from grader.service.core import Service
from grader.service.lti import deep_linking, key_store, pages, registry, sessions
from grader.service.lti.claims import origin
from grader.service.lti.launch import DeepLinking
from grader.service.lti.refusals import LaunchRefused
from grader.service.lti.registration import Tool
from grader.service.lti.tables import LtiAttempt, LtiLaunch, LtiLink
from grader.service.lti.web import fields_of, service_of, tool_of
from grader.service.tables import Grading, Submission
from grader.service.urls import report_url

Asked = Request[Any, Any, Any]


@dataclass(frozen=True)
class _Choice:
    name: str
    title: str
    points: int


@dataclass(frozen=True)
class _Sent:
    url: str
    submitted: str
    state: str


@get(
    "/lti/launches/{launch_id:str}",
    opt={"access": Access.LOGIN},
    sync_to_thread=True,
    include_in_schema=False,
)
def launched(request: Asked, launch_id: FromPath[str]) -> Response[str]:
    """Show what the launch was for."""
    service = service_of(request.app)
    reader: Reader = request.state.reader
    with service.database.reading() as session:
        opened = _mine(session, request, launch_id)
        if sessions.deep_linking(opened) is not None:
            return _choice(service, opened)
        return _exercise(session, service, opened, reader)


def _choice(service: Service, opened: LtiLaunch) -> Response[str]:
    """Offer the exercises."""
    choices = [_Choice(one.name, one.title, one.points) for one in _exercises(service)]
    return pages.page(
        "choose",
        "Choose an exercise",
        frames=opened.frames.split(),
        action=f"{service.settings.base_url}/lti/deep-link",
        launch=opened.id,
        exercises=choices,
    )


def _exercise(
    session: Session, service: Service, opened: LtiLaunch, reader: Reader
) -> Response[str]:
    """Show an exercise, and what was sent in for it by whoever may be seen."""
    link = None if opened.link_id is None else session.get(LtiLink, opened.link_id)
    name = link.exercise if link is not None else ""
    known = service.exercises.get(name)
    whose = opened.for_user if opened.for_user and reader.is_staff else reader.user
    return pages.page(
        "launched",
        known.title if known is not None else "Exercise",
        frames=opened.frames.split(),
        course=link.course_title if link is not None else "",
        exercise=name,
        known=known is not None,
        staff=reader.is_staff,
        for_user=opened.for_user if reader.is_staff else "",
        submissions=[] if link is None else _sent(session, service, link, whose),
    )


def _sent(session: Session, service: Service, link: LtiLink, user: str) -> list[_Sent]:
    rows = (
        select(Submission, Grading.state)
        .join(LtiAttempt, LtiAttempt.submission_id == Submission.id)
        .join(Grading, Grading.submission_id == Submission.id)
        .where(LtiAttempt.link_id == link.id, LtiAttempt.user == user)
        .order_by(Submission.received_at.desc())
        .limit(50)
    )
    return [
        _Sent(report_url(service.settings, sent), f"{sent.submitted_at:%Y-%m-%d %H:%M} UTC", state)
        for sent, state in session.execute(rows)
    ]


@post("/lti/deep-link", opt={"access": Access.STAFF}, include_in_schema=False, status_code=200)
async def choose(request: Asked) -> Response[str]:
    """Send the chosen exercise back to the platform, through the browser."""
    try:
        fields = await fields_of(request)
    except LaunchRefused as refusal:
        raise NotFoundException(refusal.detail) from None
    launch_id, exercise = fields.get("launch", ""), fields.get("exercise", "")
    return await run_sync(_answer, request, launch_id, exercise)


def _answer(request: Asked, launch_id: str, exercise: str) -> Response[str]:
    service = service_of(request.app)
    with service.database.reading() as session:
        opened = _mine(session, request, launch_id)
        wanted = sessions.deep_linking(opened)
        platform = registry.get(session, opened.platform_id)
    chosen = service.exercises.get(exercise)
    if wanted is None or chosen is None:
        raise NotFoundException("there is nothing like this to choose")
    choice = _Choice(chosen.name, chosen.title, sum(one.points for one in chosen.rubric))
    token = deep_linking.response(
        platform,
        opened.deployment,
        wanted,
        [_item(tool_of(service), choice, wanted)],
        key_store.signing(service.database),
        now_s=time.time(),
    )
    return pages.page(
        "answer",
        "Putting it into the course",
        frames=opened.frames.split(),
        form_to=origin(wanted.return_url),
        script=pages.SEND,
        action=wanted.return_url,
        token=token,
    )


def _item(tool: Tool, choice: _Choice, wanted: DeepLinking) -> dict[str, Any]:
    return deep_linking.content_item(
        tool,
        exercise=choice.name,
        title=choice.title,
        maximum=choice.points,
        with_line_item=wanted.accepts_line_item,
    )


def _exercises(service: Service) -> list[_Choice]:
    return [
        _Choice(one.name, one.title, sum(criterion.points for criterion in one.rubric))
        for one in sorted(service.exercises.values(), key=lambda one: one.title)
    ]


def _mine(session: Session, request: Asked, launch_id: str) -> LtiLaunch:
    """Return a launch of this login; any other is answered as if it were not there.

    The id is in no page but this login's own, so a form that names it was not written elsewhere.
    """
    opened = sessions.of_cookie(session, launch_id[:32], request.cookies.get(COOKIE, ""))
    if opened is None:
        raise NotFoundException("there is no such launch, or it is not yours")
    return opened


HANDLERS = [launched, choose]
