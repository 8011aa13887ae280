"""Describe what is kept about platforms, launches, and grades on their way to them.

Users and courses are the platform's ids and nothing else: no names, no addresses.
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from grader.service.columns import Base, Id


class LtiPlatform(Base):
    """A registration; see platform.Platform.

    Attributes:
        approved_at: when the operator let it in; None: not yet.
        blocked_at: when the operator shut it out; None: it is not.
        frames: origins besides its own that may show our pages in a frame, with spaces.
    """

    __tablename__ = "lti_platform"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    issuer: Mapped[str]
    client_id: Mapped[str]
    login_url: Mapped[str]
    token_url: Mapped[str]
    token_audience: Mapped[str]
    keys_url: Mapped[str]
    family: Mapped[str] = mapped_column(default="")
    any_deployment: Mapped[bool] = mapped_column(default=False)
    frames: Mapped[str] = mapped_column(default="")
    approved_at: Mapped[datetime | None]
    blocked_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("issuer", "client_id"),)


class LtiDeployment(Base):
    """A deployment of a registration that may launch."""

    __tablename__ = "lti_deployment"
    platform_id: Mapped[int] = mapped_column(
        ForeignKey("lti_platform.id", ondelete="CASCADE"), primary_key=True
    )
    deployment: Mapped[str] = mapped_column(String(500), primary_key=True)


class LtiKey(Base):
    """A key pair of ours; `private` is the whole JWK, as JSON."""

    __tablename__ = "lti_key"
    kid: Mapped[str] = mapped_column(String(100), primary_key=True)
    private: Mapped[str]
    created_at: Mapped[datetime]


class LtiTicket(Base):
    """A login under way, or used lately; see login.Ticket."""

    __tablename__ = "lti_ticket"
    state_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    browser_sha256: Mapped[str] = mapped_column(String(64))
    nonce: Mapped[str] = mapped_column(String(100), unique=True)
    platform_id: Mapped[int] = mapped_column(ForeignKey("lti_platform.id", ondelete="CASCADE"))
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class LtiLink(Base):
    """An exercise placed in a course.

    Attributes:
        link: the platform's id of the placement.
        exercise: "" when the placement names none.
        line_item: its column in the gradebook; "" for none.
        scopes: what its services may be asked for, with spaces.
        policy: JSON, see policy.Policy.
        held: whether decided grades wait for staff to have seen what they change.
    """

    __tablename__ = "lti_link"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    platform_id: Mapped[int] = mapped_column(ForeignKey("lti_platform.id", ondelete="CASCADE"))
    course: Mapped[str] = mapped_column(String(500))
    link: Mapped[str] = mapped_column(String(500))
    title: Mapped[str] = mapped_column(default="")
    course_title: Mapped[str] = mapped_column(default="")
    exercise: Mapped[str] = mapped_column(default="")
    line_item: Mapped[str] = mapped_column(default="")
    scopes: Mapped[str] = mapped_column(default="")
    policy: Mapped[str] = mapped_column(default="{}")
    held: Mapped[bool] = mapped_column(default=False)
    seen_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("platform_id", "course", "link"),)


class LtiLaunch(Base):
    """What a login was launched for.

    Attributes:
        for_user: whose submission is to be reviewed; "" for none.
        deployment: which one launched.
        deep_linking: JSON of launch.DeepLinking while an exercise is to be chosen; "" otherwise.
        frames: origins that may show our pages in a frame, with spaces.
    """

    __tablename__ = "lti_launch"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    login_id: Mapped[str] = mapped_column(ForeignKey("login.id", ondelete="CASCADE"), index=True)
    platform_id: Mapped[int] = mapped_column(ForeignKey("lti_platform.id", ondelete="CASCADE"))
    link_id: Mapped[int | None] = mapped_column(ForeignKey("lti_link.id", ondelete="CASCADE"))
    deployment: Mapped[str]
    for_user: Mapped[str] = mapped_column(default="")
    deep_linking: Mapped[str] = mapped_column(default="")
    frames: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]


class LtiAttempt(Base):
    """A submission that counts for a placement's grade."""

    __tablename__ = "lti_attempt"
    submission_id: Mapped[str] = mapped_column(
        ForeignKey("submission.id", ondelete="CASCADE"), primary_key=True
    )
    link_id: Mapped[int] = mapped_column(ForeignKey("lti_link.id", ondelete="CASCADE"))
    user: Mapped[str] = mapped_column(String(500))
    __table_args__ = (Index(None, "link_id", "user"),)


class LtiGrade(Base):
    """One outbox row; see ags/outbox.py.

    Attributes:
        row: JSON of outbox.Row; "" until the first decision.
        step, due_at, problem: copies out of it, to look for.
        lease: names who takes the step, until lease_until; "" for nobody.
    """

    __tablename__ = "lti_grade"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    platform_id: Mapped[int] = mapped_column(ForeignKey("lti_platform.id", ondelete="CASCADE"))
    link_id: Mapped[int] = mapped_column(ForeignKey("lti_link.id", ondelete="CASCADE"))
    line_item: Mapped[str] = mapped_column(String(2000))
    user: Mapped[str] = mapped_column(String(500))
    row: Mapped[str] = mapped_column(default="")
    step: Mapped[str] = mapped_column(String(10), default="", index=True)
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    problem: Mapped[str] = mapped_column(default="")
    lease: Mapped[str] = mapped_column(String(32), default="")
    lease_until: Mapped[datetime | None] = mapped_column(index=True)
    changed_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("platform_id", "line_item", "user"),
        Index(None, "link_id"),
    )


class LtiGradeStep(Base):
    """What happened to an outbox row, newest last: for whoever asks why."""

    __tablename__ = "lti_grade_step"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    grade_id: Mapped[int] = mapped_column(
        ForeignKey("lti_grade.id", ondelete="CASCADE"), index=True
    )
    at: Mapped[datetime]
    what: Mapped[str] = mapped_column(String(40))
    words: Mapped[str] = mapped_column(default="")
