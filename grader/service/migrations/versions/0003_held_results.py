"""Let a result wait until staff has seen what it changes; show them what was given up on."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply it; the way back is a backup."""
    op.add_column("source", sa.Column("lti_platform_id", sa.BigInteger(), nullable=True))
    op.add_column(
        "result", sa.Column("held", sa.Boolean(), nullable=False, server_default=sa.false())
    )
