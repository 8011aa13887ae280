"""Turn an accepted launch into a login, and into what it was launched for."""

import json
import secrets
from dataclasses import asdict, dataclass
from urllib.parse import urlencode

from sqlalchemy import select
from sqlalchemy.orm import Session

from grader.service.access import hashed, open_login
from grader.service.database import insert_once
from grader.service.lti import grades, names, registry
from grader.service.lti.launch import DeepLinking, Launch
from grader.service.lti.platform import Platform
from grader.service.lti.tables import LtiLaunch, LtiLink
from grader.service.pages.visit import cookie_name, home
from grader.service.tables import now


def source_of(platform_id: int | str) -> str:
    """Return the source of submissions that come from a platform."""
    return f"lti:{platform_id}"


@dataclass(frozen=True, kw_only=True)
class Opened:
    """Where a launch leads, and the cookie that opens that and nothing else."""

    path: str
    cookie_name: str
    cookie: str


def open_launch(session: Session, launch: Launch, platform: Platform) -> Opened:
    """Insert a login and its launch."""
    registry.keep_deployment(session, platform, launch.deployment)
    link = _keep_link(session, launch, platform)
    cookie = open_login(
        session,
        source=source_of(platform.id),
        course=launch.course,
        user=launch.user,
        role=launch.role,
    )
    session.flush()
    deep = launch.deep_linking
    opened = LtiLaunch(
        id=secrets.token_hex(16),
        login_id=hashed(cookie),
        platform_id=int(platform.id),
        link_id=None if link is None else link.id,
        deployment=launch.deployment,
        for_user=launch.for_user,
        deep_linking="" if deep is None else json.dumps(asdict(deep)),
        frames=" ".join(launch.frames),
        created_at=now(),
    )
    session.add(opened)
    if link is None or deep is not None:
        path, key = f"/choices/{opened.id}", opened.id
    else:
        path, key = _page(link, launch), str(link.id)
    return Opened(path=path, cookie_name=cookie_name(key), cookie=cookie)


def _page(link: LtiLink, launch: Launch) -> str:
    """Return the page that a launch opens: for staff the class, or the student to review."""
    if launch.role != "staff":
        return home(link.id)
    if launch.for_user:
        return f"{home(link.id)}/student?{urlencode({'user': launch.for_user})}"
    return f"{home(link.id)}/class"


def deep_linking(opened: LtiLaunch) -> DeepLinking | None:
    """Return what a platform wants back from this launch, if it is there to choose."""
    if not opened.deep_linking:
        return None
    return DeepLinking(**json.loads(opened.deep_linking))


def _keep_link(session: Session, launch: Launch, platform: Platform) -> LtiLink | None:
    """Insert or find the placement; what a student opens may update it, for it is signed."""
    if not launch.link:
        return None
    key = {"platform_id": int(platform.id), "course": launch.course, "link": launch.link}
    insert_once(session, LtiLink, **key, seen_at=now())
    rows = select(LtiLink).where(*(getattr(LtiLink, name) == key[name] for name in key))
    link = session.scalars(rows.with_for_update()).one()
    link.seen_at = now()
    if launch.message == names.RESOURCE_LINK_REQUEST:
        _update(session, link, launch)
    return link


def _update(session: Session, link: LtiLink, launch: Launch) -> None:
    link.title, link.course_title = launch.link_title, launch.course_title
    link.exercise, link.scopes = launch.exercise, " ".join(launch.grades.scopes)
    # Another exercise than before sends nothing: staff see first whose grades it would change.
    before, link.line_item = link.line_item, launch.grades.line_item
    if link.line_item not in ("", before):
        session.flush()
        grades.move(session, link, before)
