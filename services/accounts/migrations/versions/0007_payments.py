"""Checkouts, payments, and the sandbox's own sessions."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "checkouts",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("session_id", sa.String(255), nullable=True),
        sa.Column("url", sa.String(2000), nullable=True),
        sa.Column("price_id", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("credits", sa.BigInteger, nullable=False),
        sa.Column("plan", sa.String(40), nullable=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("checked_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_checkouts"),
        sa.ForeignKeyConstraint(["account_id"], ["balances.account_id"], name="fk_checkouts_account_id"),
        sa.UniqueConstraint("provider", "session_id", name="uq_checkouts_provider_session_id"),
    )
    op.create_index("ix_checkouts_account_id", "checkouts", ["account_id"])
    is_open = sa.text("ended_at IS NULL")
    op.create_index("ix_checkouts_open", "checkouts", ["checked_at"], sqlite_where=is_open, postgresql_where=is_open)
    op.create_table(
        "payments",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("provider_id", sa.String(255), nullable=False),
        sa.Column("payment_ref", sa.String(255), nullable=True),
        sa.Column("checkout_id", sa.String(40), nullable=True),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("total_minor", sa.BigInteger, nullable=False),
        sa.Column("tax_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("credits", sa.BigInteger, nullable=False),
        sa.Column("refunded_minor", sa.BigInteger, nullable=False),
        sa.Column("returned_credits", sa.BigInteger, nullable=False),
        sa.Column("disputed", sa.Boolean, nullable=False),
        sa.Column("receipt_number", sa.String(20), nullable=False),
        sa.Column("paid_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_payments"),
        sa.ForeignKeyConstraint(["account_id"], ["balances.account_id"], name="fk_payments_account_id"),
        sa.UniqueConstraint("provider", "provider_id", name="uq_payments_provider_provider_id"),
        sa.UniqueConstraint("checkout_id", name="uq_payments_checkout_id"),
        sa.UniqueConstraint("receipt_number", name="uq_payments_receipt_number"),
        sa.CheckConstraint("refunded_minor >= 0 AND refunded_minor <= total_minor", name="refunded_at_most_all"),
        sa.CheckConstraint("returned_credits >= 0 AND returned_credits <= credits", name="returned_at_most_all"),
    )
    op.create_index("ix_payments_account_id", "payments", ["account_id"])
    op.create_index("ix_payments_payment_ref", "payments", ["payment_ref"])
    op.create_table(
        "sandbox_sessions",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("checkout_id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("price_id", sa.String(80), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("return_url", sa.String(2000), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sandbox_sessions"),
        sa.UniqueConstraint("checkout_id", name="uq_sandbox_sessions_checkout_id"),
    )


def downgrade() -> None:
    for table in ("sandbox_sessions", "payments", "checkouts"):
        op.drop_table(table)
