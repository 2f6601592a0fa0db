"""Addresses that files are fetched from."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

FETCHING = "status = 'pending' AND source_url IS NOT NULL"


def upgrade() -> None:
    op.add_column("uploads", sa.Column("source_url", sa.Text))
    op.add_column("uploads", sa.Column("named", sa.Boolean))
    op.create_index(
        "ix_uploads_fetching",
        "uploads",
        ["created_at"],
        sqlite_where=sa.text(FETCHING),
        postgresql_where=sa.text(FETCHING),
    )


def downgrade() -> None:
    op.drop_index("ix_uploads_fetching", "uploads")
    op.drop_column("uploads", "named")
    op.drop_column("uploads", "source_url")
