"""Let nobody through to a page but whoever was launched to it, and nothing posted but from a form.

The cookie opens one placement in a course (or one choice), named in the path. Two courses in two
tabs have two cookies; the cookie of one opens nothing of the other.
"""

import hmac
from typing import Any

from anyio.to_thread import run_sync
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.exceptions import (
    NotAuthorizedException,
    NotFoundException,
    PermissionDeniedException,
)
from litestar.handlers import BaseRouteHandler
from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.service.access import NOT_YOURS, OF_PAGES, Access, declared, hashed, is_id
from grader.service.core import Service
from grader.service.limits import belongs_to
from grader.service.lti.login import cookie as cookie_for
from grader.service.lti.tables import LtiAttempt, LtiLaunch, LtiLink
from grader.service.pages.forms import MOST_BYTES, read_form
from grader.service.pages.visit import Visit, cookie_name, csrf_of, visit_of
from grader.service.tables import Login, Submission, now

_SAFE = ("GET", "HEAD")
_TABS = 100
"""Logins of one person whose forms are looked at, the newest first."""
_OF_STAFF = (Access.LINK_STAFF, Access.LINK_SUBMISSION_STAFF, Access.CHOICE)
_OF_SUBMISSIONS = (Access.LINK_SUBMISSION, Access.LINK_SUBMISSION_STAFF)


async def guard(connection: ASGIConnection, handler: BaseRouteHandler) -> None:  # type: ignore[type-arg]
    """Let a request through to a page, with `connection.state.visit` set, or refuse it."""
    access = declared(handler)
    if access not in OF_PAGES:
        return
    service: Service = connection.app.state.service
    where = {name: str(value) for name, value in connection.path_params.items()}
    key = where["launch_id"] if access is Access.CHOICE else where["link_id"]
    name = cookie_for(service.settings.base_url, cookie_name(key)).name
    visit = await run_sync(find, service, access, where, connection.cookies.get(name, ""))
    belongs_to(connection, f"{visit.role} {visit.source} {visit.user}")
    connection.state.visit = visit
    _fits_role(access, visit)
    if access in _OF_SUBMISSIONS:
        await run_sync(_refuse_others, service, visit, where["submission_id"])
    if connection.scope.get("method") not in _SAFE:
        most_bytes = int(handler.opt.get("most_bytes", MOST_BYTES))
        token = (await read_form(connection, most_bytes)).text("csrf")
        if not _same(token, visit.csrf):
            await run_sync(_from_another_tab, service, visit, token)


def find(service: Service, access: Access, where: dict[str, str], cookie: str) -> Visit:
    """Return who is visiting.

    Raises:
        NotAuthorizedException: no launch of this browser opened this, or it was too long ago.
    """
    with service.database.reading() as session:
        visit = _launched(session, access, where, cookie)
    if visit is None:
        raise NotAuthorizedException("open this again from your course")
    return visit


def provide_visit(request: Request[Any, Any, Any]) -> Visit:
    """Hand a page its visitor; a route that no guard of pages held has none, and fails."""
    visit: Visit = request.state.visit
    return visit


def _launched(session: Session, access: Access, where: dict[str, str], cookie: str) -> Visit | None:
    """Return the visit of a cookie, when it was launched to just this placement or choice."""
    rows = select(LtiLaunch, Login).join(Login, Login.id == LtiLaunch.login_id)
    rows = rows.where(Login.id == hashed(cookie), Login.expires_at > now())
    found = session.execute(rows).first() if cookie else None
    if found is None:
        return None
    launch, login = found
    if access is Access.CHOICE:
        chooses = bool(launch.deep_linking) and launch.id == where["launch_id"]
        return visit_of(login, launch, None) if chooses else None
    link = None if launch.link_id is None else session.get(LtiLink, launch.link_id)
    if link is None or launch.deep_linking or str(link.id) != where["link_id"]:
        return None
    return visit_of(login, launch, link)


def _fits_role(access: Access, visit: Visit) -> None:
    if access in _OF_STAFF and not visit.is_staff:
        raise PermissionDeniedException("this page is for the staff of the course")
    if access is Access.LINK_STUDENT and visit.is_staff:
        raise PermissionDeniedException("this is for the students of the course")


def _refuse_others(service: Service, visit: Visit, submission_id: str) -> None:
    """Refuse a submission that was not made at this placement, or is another student's."""
    if not is_id(submission_id):
        raise NotFoundException(NOT_YOURS)
    rows = select(Submission.user).join(LtiAttempt, LtiAttempt.submission_id == Submission.id)
    rows = rows.where(
        Submission.id == submission_id,
        LtiAttempt.link_id == visit.placement.id,
        Submission.source == visit.source,
        Submission.course == visit.course,
    )
    with service.database.reading() as session:
        user = session.scalar(rows)
    if user is None or not (visit.is_staff or user == visit.user):
        raise NotFoundException(NOT_YOURS)


def _from_another_tab(service: Service, visit: Visit, token: str) -> None:
    """Refuse what another site, or somebody else's page, has the browser post.

    Opening the placement once more replaced the cookie under a page that is still shown elsewhere.
    Its form is as good as a new one, as long as its login lasts: what was typed is not lost.
    """
    rows = select(Login.id).join(LtiLaunch, LtiLaunch.login_id == Login.id)
    rows = rows.where(
        LtiLaunch.link_id == (None if visit.link is None else visit.link.id),
        LtiLaunch.deep_linking == "",
        Login.source == visit.source,
        Login.course == visit.course,
        Login.user == visit.user,
        Login.role == visit.role,
        Login.expires_at > now(),
    )
    with service.database.reading() as session:
        newest = session.scalars(rows.order_by(Login.expires_at.desc()).limit(_TABS)).all()
    if not any(_same(token, csrf_of(login_id)) for login_id in newest):
        raise PermissionDeniedException(
            "this form belongs to an earlier visit: load the page again"
        )


def _same(told: str, right: str) -> bool:
    return hmac.compare_digest(told.encode("utf-8", "replace"), right.encode())
