"""Limits of open jobs are counted by an index; free previews that are left; where events go that the brokers refuse."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime
from services.kit.migrations import create_refused_table, drop_refused_table

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OPEN = sa.text("status IN ('reserving', 'queued', 'running')")
TO_ERASE = sa.text("status = 'deleted' AND sha256 IS NOT NULL")


def upgrade() -> None:
    create_refused_table()
    op.create_index("ix_jobs_open", "jobs", ["account_id"], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_index("ix_uploads_to_erase", "uploads", ["id"], sqlite_where=TO_ERASE, postgresql_where=TO_ERASE)
    op.add_column("balances", sa.Column("previews_left", sa.Integer(), nullable=True))
    op.add_column("balances", sa.Column("previews_told_at", UtcDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("balances", "previews_told_at")
    op.drop_column("balances", "previews_left")
    op.drop_index("ix_uploads_to_erase", "uploads")
    op.drop_index("ix_jobs_open", "jobs")
    drop_refused_table()
