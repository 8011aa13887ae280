"""Decide who may do what: every route declares it, and one guard holds it.

A route without a declaration keeps the application from starting. What somebody may not read is
answered as if it were not there.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Literal

from anyio.to_thread import run_sync
from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.enums import HttpMethod
from litestar.exceptions import (
    ImproperlyConfiguredException,
    NotAuthorizedException,
    NotFoundException,
)
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from sqlalchemy.orm import Session

from grader.service.core import Service
from grader.service.limits import belongs_to
from grader.service.tables import Login, Submission, now

NOT_YOURS = "there is no such submission, or it is not yours"
_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
Role = Literal["student", "staff", "operator"]


class Access(StrEnum):
    """Who may call a route."""

    PUBLIC = "public"
    """Anybody; nothing of anybody's is shown."""
    SIGNED = "signed"
    """Whoever signs: the handler itself verifies the message (a webhook, an LTI launch)."""
    SUBMISSION = "submission"
    """Whoever holds the token of the submission in the path."""
    LINK = "link"
    """Whoever was launched into the placement in the path; so for all below."""
    LINK_STUDENT = "link_student"
    """Students there."""
    LINK_STAFF = "link_staff"
    """Staff there."""
    LINK_SUBMISSION = "link_submission"
    """Its user, and staff: of a submission in the path that was made there."""
    LINK_SUBMISSION_STAFF = "link_submission_staff"
    """Staff: of a submission in the path that was made there."""
    CHOICE = "choice"
    """Staff who were launched to choose an exercise, by the launch in the path."""
    OPERATOR = "operator"
    """Whoever runs the service."""


OF_PAGES = frozenset(kind for kind in Access if kind.startswith(("link", "choice")))
"""Held by pages/visits.py: who comes with the cookie of a launch, and what is posted with it."""


@dataclass(frozen=True)
class Reader:
    """Who is asking for a submission; `source`, `course` and `user` are "" for an operator."""

    role: Role
    source: str = ""
    course: str = ""
    user: str = ""

    @property
    def is_staff(self) -> bool:
        """Whether the staff's view may be shown."""
        return self.role != "student"


def open_login(
    session: Session, *, source: str, course: str, user: str, role: Role, hours: float = 12
) -> str:
    """Insert a login and return its cookie's value, which is stored nowhere."""
    cookie = secrets.token_urlsafe(32)
    end = now() + timedelta(hours=hours)
    login = Login(id=hashed(cookie), source=source, course=course, user=user, role=role)
    login.expires_at = end
    session.add(login)
    return cookie


async def guard(connection: ASGIConnection, handler: BaseRouteHandler) -> None:  # type: ignore[type-arg]
    """Let a request through to its route, with `connection.state.reader` set, or refuse it."""
    access = declared(handler)
    if access in (Access.PUBLIC, Access.SIGNED) or access in OF_PAGES:
        return
    service: Service = connection.app.state.service
    bearer = connection.headers.get("authorization", "").partition(" ")[2]
    token = connection.query_params.get("token", "")
    wanted = str(connection.path_params.get("submission_id", ""))
    reader = await run_sync(find_reader, service, access, wanted, bearer, token)
    belongs_to(connection, f"{reader.role} {reader.source} {reader.user}")
    connection.state.reader = reader


def find_reader(
    service: Service, access: Access, submission_id: str, bearer: str, token: str = ""
) -> Reader:
    """Return who is asking.

    Args:
        bearer: what the request's header says; an operator's token is taken from nowhere else.
        token: what its address says, which logs and histories keep: it opens one submission.

    Raises:
        NotAuthorizedException: nobody is known who may do this.
        NotFoundException: the submission is not there for them.
    """
    if submission_id and not is_id(submission_id):
        raise NotFoundException(NOT_YOURS)
    operator = service.settings.operator_token
    if operator and _same(operator.reveal(), bearer):
        return Reader("operator")
    if access is not Access.SUBMISSION:
        raise NotAuthorizedException("this is for whoever runs the service")
    with service.database.reading() as session:
        submission = session.get(Submission, submission_id)
    shown = token or bearer
    if submission is None or not (shown and _same(submission.token, shown)):
        raise NotFoundException(NOT_YOURS)
    return Reader("student", submission.source, submission.course, submission.user)


def is_id(text: str) -> bool:
    """Whether this can be the id of a submission: PostgreSQL takes no NUL, and is not asked."""
    return _ID.fullmatch(text) is not None


def declared(handler: BaseRouteHandler) -> Access:
    """Return who may call a route.

    Raises:
        ImproperlyConfiguredException: it does not say so.
    """
    if isinstance(handler, HTTPRouteHandler) and handler.http_methods == {HttpMethod.OPTIONS}:
        return Access.PUBLIC  # Litestar's own: it lists the methods of a path
    try:
        return Access(handler.opt["access"])
    except (KeyError, ValueError):
        raise ImproperlyConfiguredException(
            f"the route {handler} does not say who may call it: give it an opt of access"
        ) from None


def refuse_undeclared(app: Litestar) -> None:
    """Refuse to start with a route that does not say who may call it.

    Raises:
        ImproperlyConfiguredException: there is one.
    """
    for route in app.routes:
        for handler in getattr(route, "route_handlers", [getattr(route, "route_handler", None)]):
            if handler is not None:
                declared(handler)


def _same(one: str, other: str) -> bool:
    """Compare in constant time, whatever characters there are."""
    return hmac.compare_digest(one.encode(), other.encode("utf-8", "surrogatepass"))


def hashed(cookie: str) -> str:
    """Return the id of the login that a cookie opens."""
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()
