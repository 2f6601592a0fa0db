"""Pages of payments and open checkouts are found by indexes; so are refused orders, to be forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_PARTIAL = {
    "ix_checkouts_account_id_open": ("checkouts", ["account_id"], "ended_at IS NULL"),
    "ix_checkouts_customer": ("checkouts", ["account_id", "provider", "id"], "customer_id IS NOT NULL"),
    "ix_reservations_refused": ("reservations", ["ended_at"], "refusal_code IS NOT NULL"),
    "ix_batch_holds_refused": ("batch_holds", ["created_at"], "refusal_code IS NOT NULL"),
}


def upgrade() -> None:
    for name, (table, columns, where) in _PARTIAL.items():
        condition = sa.text(where)
        op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
    op.create_index("ix_payments_account_id_id", "payments", ["account_id", "id"])
    op.drop_index("ix_payments_account_id", "payments")
    op.drop_index("ix_checkouts_account_id", "checkouts")


def downgrade() -> None:
    op.create_index("ix_checkouts_account_id", "checkouts", ["account_id"])
    op.create_index("ix_payments_account_id", "payments", ["account_id"])
    op.drop_index("ix_payments_account_id_id", "payments")
    for name, (table, _, _) in _PARTIAL.items():
        op.drop_index(name, table)
