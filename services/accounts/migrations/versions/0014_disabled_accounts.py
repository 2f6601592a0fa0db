"""Accounts that admins disable, and since when what an account may do is what it is."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("disabled_at", UtcDateTime, nullable=True))
    op.add_column("users", sa.Column("access_changed_at", UtcDateTime, nullable=True))
    op.create_index("ix_users_access_changed_at", "users", ["access_changed_at"])


def downgrade() -> None:
    op.drop_index("ix_users_access_changed_at", "users")
    op.drop_column("users", "access_changed_at")
    op.drop_column("users", "disabled_at")
