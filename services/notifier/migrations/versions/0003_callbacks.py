"""Addresses that orders name to be called when they are over."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

UNIQUE = "uq_webhook_endpoints_account_id_callback_origin"


def upgrade() -> None:
    op.create_table(
        "callback_accounts",
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary, nullable=False),
        sa.Column("sealed_previous", sa.LargeBinary),
        sa.Column("previous_until", UtcDateTime),
        sa.Column("closed_at", UtcDateTime),
        sa.PrimaryKeyConstraint("account_id", name="pk_callback_accounts"),
    )
    op.add_column("webhook_deliveries", sa.Column("callback_url", sa.String(2000)))
    op.add_column("webhook_endpoints", sa.Column("callback_origin", sa.String(300)))
    op.create_index(UNIQUE, "webhook_endpoints", ["account_id", "callback_origin"], unique=True)


def downgrade() -> None:
    op.drop_index(UNIQUE, "webhook_endpoints")
    op.drop_column("webhook_endpoints", "callback_origin")
    op.drop_column("webhook_deliveries", "callback_url")
    op.drop_table("callback_accounts")
