"""Add what LTI needs: platforms, launches, grades on their way."""

import sqlalchemy as sa
from alembic import op

from grader.service.columns import Id, Moment

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply it; the way back is a backup."""
    op.create_table(
        "lti_key",
        sa.Column("kid", sa.String(length=100), nullable=False),
        sa.Column("private", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_lti_key")),
    )
    op.create_table(
        "lti_platform",
        sa.Column("id", Id, nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("login_url", sa.Text(), nullable=False),
        sa.Column("token_url", sa.Text(), nullable=False),
        sa.Column("token_audience", sa.Text(), nullable=False),
        sa.Column("keys_url", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("any_deployment", sa.Boolean(), nullable=False),
        sa.Column("approved_at", Moment(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lti_platform")),
        sa.UniqueConstraint("issuer", "client_id", name=op.f("uq_lti_platform_issuer_client_id")),
    )
    op.create_table(
        "lti_deployment",
        sa.Column("platform_id", Id, nullable=False),
        sa.Column("deployment", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["platform_id"],
            ["lti_platform.id"],
            name=op.f("fk_lti_deployment_platform_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("platform_id", "deployment", name=op.f("pk_lti_deployment")),
    )
    op.create_table(
        "lti_link",
        sa.Column("id", Id, nullable=False),
        sa.Column("platform_id", Id, nullable=False),
        sa.Column("course", sa.String(length=500), nullable=False),
        sa.Column("link", sa.String(length=500), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("course_title", sa.Text(), nullable=False),
        sa.Column("exercise", sa.Text(), nullable=False),
        sa.Column("line_item", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("seen_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["platform_id"],
            ["lti_platform.id"],
            name=op.f("fk_lti_link_platform_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lti_link")),
        sa.UniqueConstraint(
            "platform_id", "course", "link", name=op.f("uq_lti_link_platform_id_course_link")
        ),
    )
    op.create_table(
        "lti_ticket",
        sa.Column("state_sha256", sa.String(length=64), nullable=False),
        sa.Column("browser_sha256", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=100), nullable=False),
        sa.Column("platform_id", Id, nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("used_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["platform_id"],
            ["lti_platform.id"],
            name=op.f("fk_lti_ticket_platform_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("state_sha256", name=op.f("pk_lti_ticket")),
        sa.UniqueConstraint("nonce", name=op.f("uq_lti_ticket_nonce")),
    )
    op.create_index(op.f("ix_lti_ticket_expires_at"), "lti_ticket", ["expires_at"], unique=False)
    op.create_table(
        "lti_attempt",
        sa.Column("submission_id", sa.String(length=32), nullable=False),
        sa.Column("link_id", Id, nullable=False),
        sa.Column("user", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["link_id"], ["lti_link.id"], name=op.f("fk_lti_attempt_link_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["submission_id"],
            ["submission.id"],
            name=op.f("fk_lti_attempt_submission_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("submission_id", name=op.f("pk_lti_attempt")),
    )
    op.create_index(
        op.f("ix_lti_attempt_link_id_user"), "lti_attempt", ["link_id", "user"], unique=False
    )
    op.create_table(
        "lti_grade",
        sa.Column("id", Id, nullable=False),
        sa.Column("platform_id", Id, nullable=False),
        sa.Column("link_id", Id, nullable=False),
        sa.Column("line_item", sa.String(length=2000), nullable=False),
        sa.Column("user", sa.String(length=500), nullable=False),
        sa.Column("row", sa.Text(), nullable=False),
        sa.Column("step", sa.String(length=10), nullable=False),
        sa.Column("due_at", Moment(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("lease", sa.String(length=32), nullable=False),
        sa.Column("lease_until", Moment(), nullable=True),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["link_id"], ["lti_link.id"], name=op.f("fk_lti_grade_link_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["platform_id"],
            ["lti_platform.id"],
            name=op.f("fk_lti_grade_platform_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lti_grade")),
        sa.UniqueConstraint(
            "platform_id", "line_item", "user", name=op.f("uq_lti_grade_platform_id_line_item_user")
        ),
    )
    op.create_index(op.f("ix_lti_grade_due_at"), "lti_grade", ["due_at"], unique=False)
    op.create_index(op.f("ix_lti_grade_lease_until"), "lti_grade", ["lease_until"], unique=False)
    op.create_index(op.f("ix_lti_grade_link_id"), "lti_grade", ["link_id"], unique=False)
    op.create_index(op.f("ix_lti_grade_step"), "lti_grade", ["step"], unique=False)
    op.create_table(
        "lti_launch",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("login_id", sa.String(length=64), nullable=False),
        sa.Column("platform_id", Id, nullable=False),
        sa.Column("link_id", Id, nullable=True),
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("for_user", sa.Text(), nullable=False),
        sa.Column("deep_linking", sa.Text(), nullable=False),
        sa.Column("frames", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["link_id"], ["lti_link.id"], name=op.f("fk_lti_launch_link_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["login_id"], ["login.id"], name=op.f("fk_lti_launch_login_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["platform_id"],
            ["lti_platform.id"],
            name=op.f("fk_lti_launch_platform_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lti_launch")),
    )
    op.create_index(op.f("ix_lti_launch_login_id"), "lti_launch", ["login_id"], unique=False)
    op.create_table(
        "lti_grade_step",
        sa.Column("id", Id, nullable=False),
        sa.Column("grade_id", Id, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("what", sa.String(length=40), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["grade_id"],
            ["lti_grade.id"],
            name=op.f("fk_lti_grade_step_grade_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lti_grade_step")),
    )
    op.create_index(
        op.f("ix_lti_grade_step_grade_id"), "lti_grade_step", ["grade_id"], unique=False
    )
