"""Describe what is kept; the web, workers and LTI share this one MetaData.

A submission is what a user sent. A grading is the work on it: exactly one row a submission, waiting
until there is a result. A result is what came of it under one version of the exercise.
"""

from datetime import UTC, datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from grader.service.columns import Base, Id

WAITING, DONE, PARKED, SENT = "waiting", "done", "parked", "sent"
SUPERSEDED = "superseded"
"""States: of gradings the first three; of notices all but `done`."""


class Source(Base):
    """Somebody who sends webhooks.

    Attributes:
        kind: the adapter that reads its deliveries.
        callback_url: where results go; "" for nowhere.
        callback_refused_at: when the other side answered 410: gone, send no more.
        exercise, course: for kinds whose deliveries do not name them; "" otherwise.
        fetch_token: sent when files are fetched by https from fetch_host, which has its port unless
            that is 443, and to no other host.
        lti_platform_id: the LTI platform whose courses these are, by the same ids: their staff see
            there what was given up on here. None: only the operator does.
    """

    __tablename__ = "source"
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    callback_url: Mapped[str] = mapped_column(default="")
    callback_refused_at: Mapped[datetime | None]
    exercise: Mapped[str] = mapped_column(default="")
    course: Mapped[str] = mapped_column(default="")
    fetch_host: Mapped[str] = mapped_column(default="")
    fetch_token: Mapped[str] = mapped_column(default="")
    lti_platform_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime]


class SigningSecret(Base):
    """One secret of a source; several live at once while they are rotated."""

    __tablename__ = "signing_secret"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    source: Mapped[str] = mapped_column(ForeignKey("source.name", ondelete="CASCADE"), index=True)
    text: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class Submission(Base):
    """What a user sent.

    Attributes:
        id: random, hex; token: whoever holds it may read the submission.
        source: name of a webhook's source, or "lti:" and the registration.
        course, user: ids as the source gave them; they mean nothing outside of it.
        files: msgpack, see submissions.py.
        digest: sha256 over names and contents of the files.
    """

    __tablename__ = "submission"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    token: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(String(100))
    course: Mapped[str]
    user: Mapped[str]
    exercise: Mapped[str]
    attempt: Mapped[int | None] = mapped_column(BigInteger)
    submitted_at: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(index=True)
    digest: Mapped[str] = mapped_column(String(64))
    files: Mapped[bytes]
    __table_args__ = (
        Index(None, "source", "user", "exercise", "digest"),
        Index(None, "source", "course", "exercise", "user"),
    )


class Delivery(Base):
    """One id that a source gave to a delivery, and what it was answered.

    Attributes:
        webhook_id: the body's digest where the source does not sign its ids.
    """

    __tablename__ = "delivery"
    source: Mapped[str] = mapped_column(String(100), primary_key=True)
    webhook_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    body_sha256: Mapped[str] = mapped_column(String(64))
    submission_id: Mapped[str] = mapped_column(
        ForeignKey("submission.id", ondelete="CASCADE"), index=True
    )
    received_at: Mapped[datetime] = mapped_column(index=True)


class Grading(Base):
    """The work on one submission.

    Attributes:
        lane: 0 interactive, 1 bulk: a regrade of many; the lower lane goes first.
        turn: place in the round robin over courses, see fairness.py.
        round: counts regrades, so that a worker of an earlier one does not end a later one.
        tries: how often this round was started; not_before: when it may be started again.
        problem: why it waits again or is parked; for staff, never for students.
    """

    __tablename__ = "grading"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    submission_id: Mapped[str] = mapped_column(
        ForeignKey("submission.id", ondelete="CASCADE"), unique=True
    )
    course_key: Mapped[str]
    lane: Mapped[int]
    turn: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(10))
    round: Mapped[int] = mapped_column(default=1)
    tries: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str] = mapped_column(default="")
    problem: Mapped[str] = mapped_column(default="")
    waiting_since: Mapped[datetime]
    not_before: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    __table_args__ = (
        Index(None, "state", "lane", "turn", "id"),
        Index(None, "course_key", "state", "lane", "turn"),
    )


class Result(Base):
    """What came of a submission under one version of its exercise; recorded once.

    Attributes:
        report: the staff's, as JSON.
        misconception: id of the mistake that explains the answers; "" for none.
        copied_from: the submission with the same files whose result this is; None for its own.
        held: whether it counts for nothing yet: staff is to see first what it changes.
    """

    __tablename__ = "result"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    submission_id: Mapped[str] = mapped_column(ForeignKey("submission.id", ondelete="CASCADE"))
    exercise_digest: Mapped[str] = mapped_column(String(64))
    verdict: Mapped[str] = mapped_column(String(30))
    score: Mapped[int]
    max_score: Mapped[int]
    misconception: Mapped[str] = mapped_column(default="")
    report: Mapped[bytes]
    copied_from: Mapped[str | None] = mapped_column(String(32))
    worker: Mapped[str] = mapped_column(default="")
    recorded_at: Mapped[datetime]
    held: Mapped[bool] = mapped_column(default=False, server_default=false())
    __table_args__ = (UniqueConstraint("submission_id", "exercise_digest"),)


class Notice(Base):
    """One outbound webhook: sent, to be sent, or given up on where staff sees it.

    Of each submission one at most waits or is parked, the newest: it supersedes the others.

    Attributes:
        id: stable over retries, so that the receiver can drop what it has.
        tries: attempts made; next_at: when the next one is due, or the one under way surely over.
        leased_until: when the attempt under way is surely over, be it at the notice that this one
            superseded; None while there is none.
        created_at: later than that of every older notice of the submission.
        last_status: HTTP status of the last attempt; None when there was no answer.
    """

    __tablename__ = "notice"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    source: Mapped[str] = mapped_column(String(100))
    submission_id: Mapped[str] = mapped_column(
        ForeignKey("submission.id", ondelete="CASCADE"), index=True
    )
    type: Mapped[str] = mapped_column(String(40))
    body: Mapped[bytes]
    state: Mapped[str] = mapped_column(String(10))
    tries: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime]
    leased_until: Mapped[datetime | None]
    last_status: Mapped[int | None]
    problem: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    __table_args__ = (Index(None, "state", "next_at"),)


class Login(Base):
    """One browser session, opened by an LTI launch.

    Attributes:
        id: sha256 of the cookie: the table alone opens nothing.
        role: "student" or "staff", in this course alone.
    """

    __tablename__ = "login"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str] = mapped_column(String(100))
    course: Mapped[str]
    user: Mapped[str]
    role: Mapped[str] = mapped_column(String(10))
    expires_at: Mapped[datetime] = mapped_column(index=True)


def now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)
