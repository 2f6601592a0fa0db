"""Pages of deliveries are read along indexes, and not sorted out of all that there are."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLE = "webhook_deliveries"
_FAILED = sa.text("status = 'failed'")
_OF_CALLBACKS = sa.text("callback_url IS NOT NULL")


def upgrade() -> None:
    op.create_index("ix_webhook_deliveries_endpoint_id_id", TABLE, ["endpoint_id", "id"])
    op.create_index(
        "ix_webhook_deliveries_failed", TABLE, ["endpoint_id", "id"], sqlite_where=_FAILED, postgresql_where=_FAILED
    )
    op.create_index(
        "ix_webhook_deliveries_callbacks",
        TABLE,
        ["account_id", "id"],
        sqlite_where=_OF_CALLBACKS,
        postgresql_where=_OF_CALLBACKS,
    )
    op.drop_index("ix_webhook_deliveries_account_id", TABLE)


def downgrade() -> None:
    op.create_index("ix_webhook_deliveries_account_id", TABLE, ["account_id"])
    for name in ("callbacks", "failed", "endpoint_id_id"):
        op.drop_index(f"ix_webhook_deliveries_{name}", TABLE)
