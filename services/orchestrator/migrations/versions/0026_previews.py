"""Previews whose stems are kept are counted."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0024"
branch_labels = None
depends_on = None

_KEPT = sa.text("mode = 'preview' AND result_prefix IS NOT NULL AND deleted_at IS NULL")


def upgrade() -> None:
    op.create_index("ix_jobs_previews", "jobs", ["account_id", "id"], sqlite_where=_KEPT, postgresql_where=_KEPT)


def downgrade() -> None:
    op.drop_index("ix_jobs_previews", "jobs")
