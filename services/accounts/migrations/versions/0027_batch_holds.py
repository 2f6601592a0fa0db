"""One hold for the songs of a batch."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_OF_BATCHES = sa.text("batch_id IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "batch_holds",
        sa.Column("batch_id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("granted", sa.Boolean, nullable=False),
        sa.Column("price_credits", sa.BigInteger, nullable=False),
        sa.Column("refusal_code", sa.String(40), nullable=True),
        sa.Column("refusal_detail", sa.String(300), nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("batch_id", name="pk_batch_holds"),
        sa.ForeignKeyConstraint(["account_id"], ["balances.account_id"], name="fk_batch_holds_account_id"),
        sa.CheckConstraint("price_credits >= 0", name="price_not_negative"),
    )
    op.create_index("ix_batch_holds_account_id", "batch_holds", ["account_id"])
    op.add_column("reservations", sa.Column("batch_id", sa.String(40), nullable=True))
    op.create_index(
        "ix_reservations_batch_id",
        "reservations",
        ["batch_id"],
        sqlite_where=_OF_BATCHES,
        postgresql_where=_OF_BATCHES,
    )


def downgrade() -> None:
    raise NotImplementedError("what is held for batches would be held for nothing")
