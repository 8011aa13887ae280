"""Do what an operator asks about platforms and grades."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from grader.errors import UsageError
from grader.service.database import Database
from grader.service.lti import key_store, names, registry, transport
from grader.service.lti.ags import store
from grader.service.lti.fetching import Unanswered, get_json
from grader.service.lti.platform import Platform
from grader.service.lti.service_token import ServiceTokens
from grader.service.lti.tables import LtiGrade, LtiGradeStep, LtiLink
from grader.service.lti.tokens import usable_keys
from grader.service.settings import Settings


@dataclass(frozen=True)
class Finding:
    """One thing that was tried at a platform."""

    what: str
    ok: bool
    words: str


@dataclass(frozen=True, kw_only=True)
class GradeState:
    """Where one student's grade is."""

    id: int
    course: str
    link: str
    user: str
    step: str
    wanted: str
    problem: str
    due_at: datetime | None
    changed_at: datetime


async def check(settings: Settings, database: Database, platform_id: int) -> list[Finding]:
    """Try what can be tried without a launch: the platform's keys, and a token of its services."""
    with database.reading() as session:
        platform = registry.get(session, platform_id)
    async with transport.client(settings.allow_networks) as client:
        tokens = ServiceTokens(client, lambda: key_store.signing(database))
        found = [Finding("approved", platform.approved, _standing(platform))]
        try:
            keys = usable_keys(await get_json(client, platform.keys_url))
            words = f"{len(keys)} usable keys at {platform.keys_url}"
            found.append(Finding("its keys", bool(keys), words))
        except Unanswered as problem:
            found.append(Finding("its keys", False, f"{platform.keys_url}: {problem.text}"))
        try:
            await tokens.get(platform, names.SCOPES[2:])
            found.append(Finding("a token for grades", True, platform.token_url))
        except Unanswered as problem:
            words = f"{platform.token_url}: {problem.text}"
            found.append(Finding("a token for grades", False, words))
    return found


def _standing(platform: Platform) -> str:
    if platform.blocked:
        return "it is blocked"
    return "" if platform.approved else "not yet"


def states(
    database: Database, *, step: str = "", course: str = "", user: str = ""
) -> list[GradeState]:
    """Return grades on their way, parked or done, the longest unchanged first."""
    rows = select(LtiGrade, LtiLink).join(LtiLink, LtiLink.id == LtiGrade.link_id)
    rows = rows.where(LtiGrade.row != "")
    for column, wanted in ((LtiGrade.step, step), (LtiLink.course, course), (LtiGrade.user, user)):
        rows = rows.where(column == wanted) if wanted else rows
    with database.reading() as session:
        found = session.execute(rows.order_by(LtiGrade.changed_at)).all()
        return [state_of(grade, link) for grade, link in found]


def state_of(grade: LtiGrade, link: LtiLink) -> GradeState:
    """Return where a grade is that was decided once."""
    score = store.read(grade).wanted
    return GradeState(
        id=grade.id,
        course=link.course_title or link.course,
        link=link.title or link.link,
        user=grade.user,
        step=grade.step,
        wanted=f"{score.given:g} of {score.maximum:g}",
        problem=grade.problem,
        due_at=grade.due_at,
        changed_at=grade.changed_at,
    )


def unknown(database: Database, ids: Sequence[int]) -> list[int]:
    """Return those of some numbers that no grade has that was decided once."""
    rows = select(LtiGrade.id).where(LtiGrade.id.in_(ids), LtiGrade.row != "")
    with database.reading() as session:
        known = set(session.scalars(rows))
    return [id for id in ids if id not in known]


def resend(database: Database, ids: Sequence[int]) -> int:
    """Start grades afresh and return how many there were."""
    total = 0
    for id in ids:
        with database.transaction() as session:
            grade = store.locked(session, LtiGrade.id == id)
            if grade is not None and grade.row:
                store.resend(session, grade)
                total += 1
    return total


def no_grade(id: int) -> UsageError:
    """Say that a number is no grade's."""
    return UsageError(f"there is no grade {id}; grader grades status shows them")


def why(database: Database, id: int) -> tuple[GradeState, list[LtiGradeStep]]:
    """Return a grade and everything that happened to it.

    Raises:
        UsageError: there is no such grade.
    """
    with database.reading() as session:
        grade = session.get(LtiGrade, id)
        if grade is None or not grade.row:
            raise no_grade(id)
        steps = select(LtiGradeStep).where(LtiGradeStep.grade_id == id).order_by(LtiGradeStep.id)
        return state_of(grade, session.get_one(LtiLink, grade.link_id)), list(
            session.scalars(steps)
        )
