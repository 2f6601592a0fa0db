"""Money that admins pay back; plans in the sandbox."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "refunds",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("payment_id", sa.String(40), nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("actor", sa.String(40), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_refunds"),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name="fk_refunds_payment_id"),
        sa.CheckConstraint("amount_minor > 0", name="ck_refunds_amount_positive"),
    )
    op.create_index("ix_refunds_payment_id", "refunds", ["payment_id"])
    waiting = sa.text("state = 'asked'")
    op.create_index("ix_refunds_asked", "refunds", ["asked_at"], sqlite_where=waiting, postgresql_where=waiting)
    op.add_column("sandbox_sessions", sa.Column("kind", sa.String(10), nullable=False, server_default="pack"))
    op.add_column("sandbox_sessions", sa.Column("subscription_id", sa.String(40), nullable=True))
    op.create_table(
        "sandbox_subscriptions",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("checkout_id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("price_id", sa.String(80), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("period_ends_at", UtcDateTime, nullable=False),
        sa.Column("ends_with_period", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sandbox_subscriptions"),
    )
    op.create_index("ix_sandbox_subscriptions_account_id", "sandbox_subscriptions", ["account_id"])
    op.create_table(
        "sandbox_charges",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("checkout_id", sa.String(40), nullable=False),
        sa.Column("subscription_id", sa.String(40), nullable=True),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("paid_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_sandbox_charges"),
    )
    for column in ("checkout_id", "subscription_id", "paid_at"):
        op.create_index(f"ix_sandbox_charges_{column}", "sandbox_charges", [column])
    # What was paid before has its charge too.
    op.execute(
        "INSERT INTO sandbox_charges (id, checkout_id, currency, amount_minor, paid_at) "
        "SELECT s.id, s.checkout_id, s.currency, s.amount_minor, p.paid_at "
        "FROM sandbox_sessions s JOIN payments p ON p.checkout_id = s.checkout_id"
    )
    op.create_table(
        "sandbox_refunds",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("charge_id", sa.String(40), nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sandbox_refunds"),
        sa.ForeignKeyConstraint(["charge_id"], ["sandbox_charges.id"], name="fk_sandbox_refunds_charge_id"),
    )
    op.create_index("ix_sandbox_refunds_charge_id", "sandbox_refunds", ["charge_id"])
    op.create_table(
        "sandbox_events",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(20), nullable=False),
        sa.Column("object_id", sa.String(40), nullable=False),
        sa.Column("occurred_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sandbox_events"),
    )
    op.create_index("ix_sandbox_events_occurred_at", "sandbox_events", ["occurred_at"])


def downgrade() -> None:
    for table in ("sandbox_events", "sandbox_refunds", "sandbox_charges", "sandbox_subscriptions", "refunds"):
        op.drop_table(table)
    op.drop_column("sandbox_sessions", "subscription_id")
    op.drop_column("sandbox_sessions", "kind")
