"""Accounts that were erased."""

from services.kit.migrations import create_erased_table, drop_erased_table

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_erased_table()


def downgrade() -> None:
    drop_erased_table()
