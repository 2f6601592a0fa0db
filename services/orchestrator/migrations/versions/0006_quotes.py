"""Quotes are kept until they expire."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "quotes",
        sa.Column("upload_id", sa.String(40), nullable=False),
        sa.Column("mode", sa.String(12), nullable=False),
        sa.Column("price_credits", sa.Integer, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("upload_id", "mode", name="pk_quotes"),
    )
    op.create_index("ix_quotes_expires_at", "quotes", ["expires_at"])


def downgrade() -> None:
    op.drop_table("quotes")
