"""Say who looks at a page: a login, and the one placement in a course that it was opened for."""

import hmac
from dataclasses import dataclass
from typing import Literal

from grader.service.lti.tables import LtiLaunch, LtiLink
from grader.service.tables import Login

PREFIX = "grader-"


@dataclass(frozen=True, kw_only=True)
class Visit:
    """Whoever came with the cookie of a launch.

    Attributes:
        role: in this course alone.
        source, course, user: as submissions name them.
        launch_id: what the login was launched for.
        link: the placement; None while an exercise is to be chosen.
        csrf: what each form of this login carries.
        frames: origins that may show our pages inside a page of theirs.
    """

    role: Literal["student", "staff"]
    source: str
    course: str
    user: str
    launch_id: str
    link: LtiLink | None
    csrf: str
    frames: tuple[str, ...]

    @property
    def is_staff(self) -> bool:
        """Whether the staff's view may be shown."""
        return self.role == "staff"

    @property
    def placement(self) -> LtiLink:
        """The placement, on the pages below /links."""
        assert self.link is not None
        return self.link

    @property
    def home(self) -> str:
        """Path of the placement's first page."""
        return home(self.placement.id)


def home(link_id: int) -> str:
    """Return the path of a placement's first page."""
    return f"/links/{link_id}"


def cookie_name(key: str) -> str:
    """Name the cookie of one placement, or of one choice.

    A browser has one for each, so that two courses in two tabs do not take each other's.
    """
    return PREFIX + key


def visit_of(login: Login, launch: LtiLaunch, link: LtiLink | None) -> Visit:
    """Return the visit of a login."""
    return Visit(
        role="staff" if login.role == "staff" else "student",
        source=login.source,
        course=login.course,
        user=login.user,
        launch_id=launch.id,
        link=link,
        csrf=csrf_of(login.id),
        frames=tuple(launch.frames.split()),
    )


def csrf_of(login_id: str) -> str:
    """Return the token of a login's forms: it follows from the stored hash, not from the cookie.

    So a form of an earlier login of the same person is known without that one's cookie.
    """
    return hmac.new(login_id.encode(), b"csrf", "sha256").hexdigest()
