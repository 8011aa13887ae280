"""Run migrations on the connection that `upgrade` hands over."""

from alembic import context

from grader.service.columns import Base
from grader.service.migrations import is_ours

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_name=is_ours,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
