"""Tell a notice that is being sent from one that waits for its next attempt."""

import sqlalchemy as sa
from alembic import op

from grader.service.columns import Moment

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply it; the way back is a backup."""
    op.add_column("notice", sa.Column("leased_until", Moment(), nullable=True))
