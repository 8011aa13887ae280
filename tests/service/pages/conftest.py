"""Share a placement in a course, and people who were launched into it."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

import reference
from grader.service import access
from grader.service.access import Role
from grader.service.core import Service
from grader.service.dispatch import NoDispatch
from grader.service.lti import grades
from grader.service.lti.tables import LtiLaunch, LtiLink, LtiPlatform
from grader.service.pages.visit import cookie_name, csrf_of
from grader.service.submissions import Incoming, accept
from grader.service.tables import Submission, now

FRAMES = "https://lms.example https://other.example"


@dataclass(frozen=True)
class Person:
    """Somebody who was launched: what their browser sends, and what their forms carry.

    Attributes:
        key: of what their cookie opens.
    """

    key: str
    cookie: str

    @property
    def headers(self) -> dict[str, str]:
        return self.at(self.key)

    @property
    def csrf(self) -> str:
        return csrf_of(access.hashed(self.cookie))

    def at(self, key: str) -> dict[str, str]:
        """Return headers with their cookie under the name that another placement's has."""
        return {"cookie": f"{cookie_name(key)}={self.cookie}"}


@dataclass
class Place:
    """Placements of one platform, and who comes to them."""

    service: Service
    platform_id: int
    link_id: int

    def placed(self, link: str, *, course: str = "algebra", exercise: str = "") -> int:
        """Place an exercise once more; return the placement's id."""
        with self.service.database.transaction() as session:
            row = LtiLink(platform_id=self.platform_id, course=course, link=link, seen_at=now())
            row.exercise, row.title = exercise or reference.DEFAULT, f"Week {link}"
            row.course_title = course.title()
            session.add(row)
            session.flush()
            return row.id

    def launched(
        self,
        user: str,
        role: Role = "student",
        *,
        link_id: int | None = None,
        course: str = "algebra",
        hours: float = 12,
        deep_linking: str = "",
    ) -> Person:
        """Let somebody in, as a launch does."""
        link_id = link_id or self.link_id
        with self.service.database.transaction() as session:
            source = f"lti:{self.platform_id}"
            cookie = access.open_login(
                session, source=source, course=course, user=user, role=role, hours=hours
            )
            session.flush()
            opened = LtiLaunch(
                id=access.hashed(cookie)[:32],
                login_id=access.hashed(cookie),
                platform_id=self.platform_id,
                link_id=None if deep_linking else link_id,
                deployment="1",
                deep_linking=deep_linking,
                frames=FRAMES,
                created_at=now(),
            )
            session.add(opened)
            return Person(opened.id if deep_linking else str(link_id), cookie)


@pytest.fixture
def place(service: Service) -> Place:
    with service.database.transaction() as session:
        platform = LtiPlatform(
            issuer="https://lms.example",
            client_id="tool-1",
            login_url="https://lms.example/auth",
            token_url="https://lms.example/token",
            token_audience="https://lms.example/token",
            keys_url="https://lms.example/keys",
            approved_at=now(),
            created_at=now(),
        )
        session.add(platform)
        session.flush()
        made = Place(service, platform.id, 0)
    made.link_id = made.placed("1")
    return made


@pytest.fixture
def sent(place: Place, incoming: Callable[..., Incoming]) -> Callable[..., Submission]:
    """Let somebody have handed in, by default alice."""

    def make(
        content: bytes = b"x = 1\n",
        *,
        user: str = "alice",
        link_id: int = 0,
        exercise: str = reference.DEFAULT,
    ) -> Submission:
        service = place.service
        with service.database.transaction() as session:
            source = f"lti:{place.platform_id}"
            came = incoming(content, source=source, user=user, exercise=exercise)
            submission = accept(session, came, NoDispatch())
            link = session.get_one(LtiLink, link_id or place.link_id)
            grades.count_for(session, submission, link)
            return submission

    return make
