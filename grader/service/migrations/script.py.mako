"""${message}."""

import sqlalchemy as sa
from alembic import op

from grader.service.columns import Id, Moment

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Apply it; the way back is a backup."""
    ${upgrades if upgrades else "pass"}
