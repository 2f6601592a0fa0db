"""Below how many credits somebody wants to be told."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("low_credits_threshold", sa.BigInteger, nullable=True))
    op.add_column("users", sa.Column("low_credits_told_at", UtcDateTime, nullable=True))


def downgrade() -> None:
    op.drop_column("users", "low_credits_told_at")
    op.drop_column("users", "low_credits_threshold")
