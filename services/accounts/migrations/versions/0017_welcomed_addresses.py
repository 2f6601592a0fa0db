"""Addresses that had welcome credits and were erased."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "welcomed_addresses",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("erased_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_welcomed_addresses"),
    )
    op.create_index("ix_welcomed_addresses_erased_at", "welcomed_addresses", ["erased_at"])


def downgrade() -> None:
    op.drop_table("welcomed_addresses")
