"""Where events go that the brokers refuse."""

from services.kit.migrations import create_refused_table, drop_refused_table

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_refused_table()


def downgrade() -> None:
    drop_refused_table()
