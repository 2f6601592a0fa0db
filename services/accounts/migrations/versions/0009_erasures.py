"""Accounts that were closed for good."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import JsonDocument, UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TO_TELL = sa.text("tell_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("token_digest", sa.String(64), nullable=False),
        sa.Column("requested_at", UtcDateTime, nullable=False),
        sa.Column("receipts", JsonDocument, nullable=False),
        sa.Column("finished_at", UtcDateTime, nullable=True),
        sa.Column("told_times", sa.Integer, nullable=False),
        sa.Column("tell_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_erasures"),
        sa.UniqueConstraint("account_id", name="uq_erasures_account_id"),
        sa.UniqueConstraint("token_digest", name="uq_erasures_token_digest"),
    )
    op.create_index("ix_erasures_requested_at", "erasures", ["requested_at"])
    op.create_index("ix_erasures_tell_at", "erasures", ["tell_at"], sqlite_where=TO_TELL, postgresql_where=TO_TELL)


def downgrade() -> None:
    op.drop_table("erasures")
