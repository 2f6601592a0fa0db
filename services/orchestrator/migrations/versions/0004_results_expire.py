"""Stems may be kept for a time instead of for ever."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TO_EXPIRE = sa.text("expires_at IS NOT NULL AND result_prefix IS NOT NULL")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("expires_at", UtcDateTime(), nullable=True))
    op.create_index("ix_jobs_expires_at", "jobs", ["expires_at"], sqlite_where=TO_EXPIRE, postgresql_where=TO_EXPIRE)


def downgrade() -> None:
    op.drop_index("ix_jobs_expires_at", "jobs")
    op.drop_column("jobs", "expires_at")
