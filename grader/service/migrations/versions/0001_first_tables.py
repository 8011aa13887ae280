"""Lay out the service's first tables."""

import sqlalchemy as sa
from alembic import op

from grader.service.columns import Id, Moment

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply it; the way back is a backup."""
    op.create_table(
        "login",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("course", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_login_expires_at"), "login", ["expires_at"])

    op.create_table(
        "source",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("callback_url", sa.Text(), nullable=False),
        sa.Column("callback_refused_at", Moment(), nullable=True),
        sa.Column("exercise", sa.Text(), nullable=False),
        sa.Column("course", sa.Text(), nullable=False),
        sa.Column("fetch_host", sa.Text(), nullable=False),
        sa.Column("fetch_token", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "submission",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("course", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("exercise", sa.Text(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=True),
        sa.Column("submitted_at", Moment(), nullable=False),
        sa.Column("received_at", Moment(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("files", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_submission_received_at"), "submission", ["received_at"])
    op.create_index(
        op.f("ix_submission_source_course_exercise_user"),
        "submission",
        ["source", "course", "exercise", "user"],
    )
    op.create_index(
        op.f("ix_submission_source_user_exercise_digest"),
        "submission",
        ["source", "user", "exercise", "digest"],
    )

    op.create_table(
        "delivery",
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("webhook_id", sa.String(length=200), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("submission_id", sa.String(length=32), nullable=False),
        sa.Column("received_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source", "webhook_id"),
    )
    op.create_index(op.f("ix_delivery_received_at"), "delivery", ["received_at"])
    op.create_index(op.f("ix_delivery_submission_id"), "delivery", ["submission_id"])

    op.create_table(
        "grading",
        sa.Column("id", Id, nullable=False),
        sa.Column("submission_id", sa.String(length=32), nullable=False),
        sa.Column("course_key", sa.Text(), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("waiting_since", Moment(), nullable=False),
        sa.Column("not_before", Moment(), nullable=True),
        sa.Column("started_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("submission_id"),
    )
    op.create_index(
        op.f("ix_grading_course_key_state_lane_turn"),
        "grading",
        ["course_key", "state", "lane", "turn"],
    )
    op.create_index(
        op.f("ix_grading_state_lane_turn_id"), "grading", ["state", "lane", "turn", "id"]
    )

    op.create_table(
        "notice",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("submission_id", sa.String(length=32), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_at", Moment(), nullable=False),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_notice_state_next_at"), "notice", ["state", "next_at"])
    op.create_index(op.f("ix_notice_submission_id"), "notice", ["submission_id"])

    op.create_table(
        "result",
        sa.Column("id", Id, nullable=False),
        sa.Column("submission_id", sa.String(length=32), nullable=False),
        sa.Column("exercise_digest", sa.String(length=64), nullable=False),
        sa.Column("verdict", sa.String(length=30), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("max_score", sa.Integer(), nullable=False),
        sa.Column("misconception", sa.Text(), nullable=False),
        sa.Column("report", sa.LargeBinary(), nullable=False),
        sa.Column("copied_from", sa.String(length=32), nullable=True),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("recorded_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("submission_id", "exercise_digest"),
    )
    op.create_table(
        "signing_secret",
        sa.Column("id", Id, nullable=False),
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["source"], ["source.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_signing_secret_source"), "signing_secret", ["source"])
