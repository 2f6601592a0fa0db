"""The trace that a webhook is the end of."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("webhook_deliveries", sa.Column("traceparent", sa.String(128)))


def downgrade() -> None:
    op.drop_column("webhook_deliveries", "traceparent")
