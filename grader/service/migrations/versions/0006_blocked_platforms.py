"""Let the operator shut a platform out."""

import sqlalchemy as sa
from alembic import op

from grader.service.columns import Moment

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Apply it; the way back is a backup."""
    op.add_column("lti_platform", sa.Column("blocked_at", Moment(), nullable=True))
