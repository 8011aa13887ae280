"""Look up what was given up on in a course, for its staff: gradings, and outbound webhooks."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select

from grader.service.lti import roll
from grader.service.lti.tables import LtiAttempt, LtiLink
from grader.service.tables import PARKED, Grading, Notice, Result, Source, Submission


def parked(link: LtiLink) -> Select[Any]:
    """Return the gradings; `counts` names the submission where it has a page here.

    `judged` says that there is a result from before: it was to be graded once more.
    """
    result = (Result.submission_id == Submission.id, Result.held.is_(False))
    rows: Any = select(
        *(Submission.id, Submission.user, Submission.submitted_at),
        *(Grading.problem, Grading.tries, Grading.started_at, _counts(link)),
        exists().where(*result).label("judged"),
    )
    rows = rows.join(Grading, Grading.submission_id == Submission.id)
    found: Select[Any] = rows.where(Grading.state == PARKED, _here(link))
    return found


def notices(link: LtiLink) -> Select[Any]:
    """Return the webhooks; `counts` names the submission where it has a page here."""
    rows: Any = select(
        *(Notice.id, Notice.source, Notice.problem, Notice.tries, Notice.created_at),
        *(Submission.user, _counts(link)),
    )
    rows = rows.join(Submission, Submission.id == Notice.submission_id)
    found: Select[Any] = rows.where(Notice.state == PARKED, _here(link))
    return found


def _counts(link: LtiLink) -> Any:
    mine = select(LtiAttempt.submission_id).where(
        LtiAttempt.submission_id == Submission.id, *roll.here(link)
    )
    return mine.scalar_subquery().label("counts")


def _here(link: LtiLink) -> ColumnElement[bool]:
    """Hold for what was handed in here, or by webhook to the same exercise of the same course."""
    senders = select(Source.name).where(Source.lti_platform_id == link.platform_id)
    by_webhook = and_(
        Submission.source.in_(senders),
        Submission.course == link.course,
        Submission.exercise == link.exercise,
    )
    return or_(Submission.id.in_(roll.submissions(link)), by_webhook)
