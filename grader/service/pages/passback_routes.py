"""Show staff which grades the course has, why it has not the others, and send those again."""

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromQuery
from litestar.response import Redirect
from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from grader.service.access import Access
from grader.service.lti import changes, operating
from grader.service.lti.ags.words import explained
from grader.service.lti.tables import LtiGrade, LtiLink
from grader.service.lti.web import service_of
from grader.service.pages import staff
from grader.service.pages.forms import form_of
from grader.service.pages.rendering import pages_of
from grader.service.pages.visit import Visit

Asked = Request[Any, Any, Any]
AT_ONCE = 100

_SHOWN: dict[str, ColumnElement[bool]] = {
    "parked": LtiGrade.step == "parked",
    "waiting": LtiGrade.step.not_in(["parked", "done"]),
    "sent": LtiGrade.step == "done",
}
_WORST_FIRST = case({"parked": 0, "done": 2}, value=LtiGrade.step, else_=1)


@get("/links/{link_id:str}/passback", opt={"access": Access.LINK_STAFF}, sync_to_thread=True)
def passback(
    request: Asked,
    visit: NamedDependency[Visit],
    show: FromQuery[str] = "",
    page: FromQuery[str] = "1",
    said: FromQuery[str] = "",
) -> Response[str]:
    """List the grades of a placement, those first that need somebody."""
    link, at = visit.placement, staff.number(page)
    rows = select(LtiGrade).where(*_of(link))
    rows = rows.where(_SHOWN[show]) if show in _SHOWN else rows
    rows = rows.order_by(_WORST_FIRST, func.length(LtiGrade.user), LtiGrade.user)
    with service_of(request.app).database.reading() as session:
        counts = _counts(session, link)
        staying = changes.staying(session, link)
        listed = session.scalars(rows.limit(AT_ONCE).offset((at - 1) * AT_ONCE)).all()
    total = counts[show] if show in _SHOWN else sum(counts.values())
    return staff.page(
        request,
        visit,
        "passback",
        counts=counts,
        staying=staying,
        grades=[
            (operating.state_of(one, link), explained(one.step, one.problem)) for one in listed
        ],
        show=show if show in _SHOWN else "",
        at=at,
        pages=-(-total // AT_ONCE),
        said=int(said) if said.isdecimal() and said.isascii() and len(said) < 6 else None,
    )


@get("/links/{link_id:str}/passback/why", opt={"access": Access.LINK_STAFF}, sync_to_thread=True)
def why(request: Asked, visit: NamedDependency[Visit], user: FromQuery[str] = "") -> Response[str]:
    """Tell what happened to a student's grade, step by step, in the platform's own words."""
    database = service_of(request.app).database
    with database.reading() as session:
        ids = _ids(session, visit.placement, LtiGrade.user == user.replace("\0", ""))
    if not ids:
        raise NotFoundException("this student has no grade here yet")
    state, steps = operating.why(database, ids[0])
    reason = explained(state.step, state.problem)
    return staff.page(request, visit, "why", state=state, steps=steps, reason=reason)


@post(
    "/links/{link_id:str}/passback/resend", opt={"access": Access.LINK_STAFF}, sync_to_thread=True
)
def resend(request: Asked, visit: NamedDependency[Visit]) -> Redirect:
    """Send one student's grade again, or all that the course did not take."""
    database, user = service_of(request.app).database, form_of(request).text("user")
    wanted = LtiGrade.user == user.replace("\0", "") if user else _SHOWN["parked"]
    with database.reading() as session:
        ids = _ids(session, visit.placement, wanted)
    again = operating.resend(database, ids)
    path = f"{pages_of(request.app).root}{visit.home}/passback?said={again}"
    return Redirect(path, status_code=303)


def _of(link: LtiLink) -> tuple[ColumnElement[bool], ...]:
    """Name the grades of a placement's column that were decided once."""
    here = (LtiGrade.platform_id == link.platform_id, LtiGrade.line_item == link.line_item)
    return (*here, LtiGrade.row != "")


def _counts(session: Session, link: LtiLink) -> dict[str, int]:
    columns = [func.count(case((where, 1))) for where in _SHOWN.values()]
    found = session.execute(select(*columns).where(*_of(link))).one()
    return dict(zip(_SHOWN, found, strict=True))


def _ids(session: Session, link: LtiLink, wanted: ColumnElement[bool]) -> Sequence[int]:
    return session.scalars(select(LtiGrade.id).where(*_of(link), wanted)).all()


HANDLERS = [passback, why, resend]
