"""Credits that expire."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_AVAILABLE = sa.text("available > 0")


def upgrade() -> None:
    op.create_table(
        "credit_lots",
        sa.Column("transfer_id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("credits", sa.BigInteger, nullable=False),
        sa.Column("available", sa.BigInteger, nullable=False),
        sa.Column("held", sa.BigInteger, nullable=False),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("lapsed", sa.BigInteger, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("transfer_id", name="pk_credit_lots"),
        sa.ForeignKeyConstraint(["transfer_id"], ["ledger_transfers.id"], name="fk_credit_lots_transfer_id"),
        sa.ForeignKeyConstraint(["account_id"], ["balances.account_id"], name="fk_credit_lots_account_id"),
        sa.CheckConstraint("available >= 0", name="available_not_negative"),
        sa.CheckConstraint("held >= 0", name="held_not_negative"),
        sa.CheckConstraint("spent >= 0", name="spent_not_negative"),
        sa.CheckConstraint("lapsed >= 0", name="lapsed_not_negative"),
        sa.CheckConstraint("available + held + spent + lapsed = credits", name="adds_up"),
    )
    for name, columns in (("available", ["account_id", "expires_at"]), ("due", ["expires_at"])):
        op.create_index(
            f"ix_credit_lots_{name}", "credit_lots", columns, sqlite_where=_AVAILABLE, postgresql_where=_AVAILABLE
        )
    op.create_table(
        "lot_holds",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("transfer_id", sa.String(40), nullable=False),
        sa.Column("credits", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "transfer_id", name="pk_lot_holds"),
        sa.ForeignKeyConstraint(["transfer_id"], ["credit_lots.transfer_id"], name="fk_lot_holds_transfer_id"),
        sa.CheckConstraint("credits > 0", name="credits_positive"),
    )


def downgrade() -> None:
    raise NotImplementedError("credits that expire would be ones that do not")
