"""Take a submission in: its row and the work on it, in the caller's transaction."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from grader.service.database import insert
from grader.service.dispatch import Dispatch
from grader.service.fairness import INTERACTIVE, course_key, next_turn
from grader.service.tables import WAITING, Grading, Submission, now

NAME_BYTES = 200
"""Of a file's name, at most: a file system takes 255, and one character may be four."""


class File(msgspec.Struct, frozen=True):
    """One file of a submission.

    Attributes:
        identity: sha256 of the content, hex, or what names the content just as surely.
        content: None until it is fetched from `url`.
        is_commit: whether the identity names a commit, as pushes have it, and not the bytes.
    """

    name: str
    identity: str
    content: bytes | None = None
    url: str = ""
    is_commit: bool = False


class Incoming(msgspec.Struct, frozen=True):
    """A submission as it arrives; see tables.Submission."""

    source: str
    course: str
    user: str
    exercise: str
    files: tuple[File, ...]
    submitted_at: datetime
    attempt: int | None = None


def accept(
    session: Session, incoming: Incoming, dispatch: Dispatch, *, lane: int = INTERACTIVE
) -> Submission:
    """Insert a submission and its grading, announce it, and return the submission."""
    submission = Submission(
        id=secrets.token_hex(16),
        token=secrets.token_urlsafe(32),
        source=incoming.source,
        course=incoming.course,
        user=incoming.user,
        exercise=incoming.exercise,
        attempt=incoming.attempt,
        submitted_at=incoming.submitted_at,
        received_at=now(),
        digest=digest(incoming.files),
        files=msgspec.msgpack.encode(incoming.files),
    )
    insert(session, submission)
    course = course_key(submission)
    grading = Grading(
        submission_id=submission.id,
        course_key=course,
        lane=lane,
        turn=next_turn(session, course, lane),
        state=WAITING,
        round=1,
        waiting_since=submission.received_at,
    )
    insert(session, grading)
    dispatch.enqueue(session, grading)
    return submission


def files_of(submission: Submission) -> tuple[File, ...]:
    """Return the files of a submission."""
    return msgspec.msgpack.decode(submission.files, type=tuple[File, ...])


def digest(files: Sequence[File]) -> str:
    """Return sha256, hex, over names and identities of files, in whatever order they came."""
    parts = sorted([file.name, file.identity] for file in files)
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def waiting(session: Session, *, lane: int = INTERACTIVE, at_most: int) -> int:
    """Count the waiting gradings of a lane, but no further than `at_most`."""
    rows = select(Grading.id).where(Grading.state == WAITING, Grading.lane == lane)
    return session.scalar(select(func.count()).select_from(rows.limit(at_most).subquery())) or 0
