"""Let pages of more hosts than the platform's own show ours inside them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply it; the way back is a backup."""
    op.add_column("lti_platform", sa.Column("frames", sa.Text(), nullable=False, server_default=""))
