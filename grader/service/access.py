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
from grader.service.tables import Login, Submission, now

COOKIE = "grader_login"
_NOT_YOURS = "there is no such submission, or it is not yours"
_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
Role = Literal["student", "staff", "operator"]


class Access(StrEnum):
    """Who may call a route."""

    PUBLIC = "public"
    """Anybody; nothing of anybody's is shown."""
    SIGNED = "signed"
    """Whoever signs: the handler itself verifies the message (a webhook, an LTI launch)."""
    SUBMISSION = "submission"
    """Whoever may read the submission in the path: its token's holder, its user, its staff."""
    SUBMISSION_STAFF = "submission_staff"
    """Staff of the course of the submission in the path."""
    LOGIN = "login"
    """Anybody who was launched into a course; the handler shows them their own."""
    STAFF = "staff"
    """Staff of the course that they were launched into."""
    OPERATOR = "operator"
    """Whoever runs the service."""


@dataclass(frozen=True)
class Reader:
    """Who is asking, as the guard found; `source`, `course` and `user` are "" for an operator."""

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
    login = Login(id=_hashed(cookie), source=source, course=course, user=user, role=role)
    login.expires_at = end
    session.add(login)
    return cookie


async def guard(connection: ASGIConnection, handler: BaseRouteHandler) -> None:  # type: ignore[type-arg]
    """Let a request through to its route, with `connection.state.reader` set, or refuse it."""
    access = declared(handler)
    if access in (Access.PUBLIC, Access.SIGNED):
        return
    service: Service = connection.app.state.service
    cookie = connection.cookies.get(COOKIE, "")
    bearer = connection.headers.get("authorization", "").partition(" ")[2]
    token = connection.query_params.get("token", "") or bearer
    wanted = str(connection.path_params.get("submission_id", ""))
    reader = await run_sync(find_reader, service, access, wanted, token, cookie)
    connection.state.reader = reader


def find_reader(
    service: Service, access: Access, submission_id: str, token: str, cookie: str
) -> Reader:
    """Return who is asking.

    Raises:
        NotAuthorizedException: nobody is known who may do this.
        NotFoundException: the submission is not there for them.
    """
    of_submission = access in (Access.SUBMISSION, Access.SUBMISSION_STAFF)
    # PostgreSQL takes no NUL in a text, so it is not asked about what is no id.
    if of_submission and not _ID.fullmatch(submission_id):
        raise NotFoundException(_NOT_YOURS)
    operator = service.settings.operator_token
    if operator and _same(operator.reveal(), token):
        return Reader("operator")
    with service.database.reading() as session:
        login = _login(session, cookie)
        if of_submission:
            submission = session.get(Submission, submission_id)
            reader = _of_submission(submission, login, token)
            if reader is None or (access is Access.SUBMISSION_STAFF and not reader.is_staff):
                raise NotFoundException(_NOT_YOURS)
            return reader
    if login is None or access is Access.OPERATOR:
        raise NotAuthorizedException("this needs a login")
    if access is Access.STAFF and login.role != "staff":
        raise NotAuthorizedException("this is for staff")
    return _as_reader(login)


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


def _of_submission(submission: Submission | None, login: Login | None, token: str) -> Reader | None:
    """Return as whom somebody may read a submission; None when they may not."""
    if submission is None:
        return None
    if token and _same(submission.token, token):
        return Reader("student", submission.source, submission.course, submission.user)
    if login is None or (login.source, login.course) != (submission.source, submission.course):
        return None
    if login.role == "staff" or login.user == submission.user:
        return _as_reader(login)
    return None


def _login(session: Session, cookie: str) -> Login | None:
    login = session.get(Login, _hashed(cookie)) if cookie else None
    return login if login is not None and login.expires_at > now() else None


def _as_reader(login: Login) -> Reader:
    role: Role = "staff" if login.role == "staff" else "student"
    return Reader(role, login.source, login.course, login.user)


def _same(one: str, other: str) -> bool:
    """Compare in constant time, whatever characters there are."""
    return hmac.compare_digest(one.encode(), other.encode("utf-8", "surrogatepass"))


def _hashed(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()
