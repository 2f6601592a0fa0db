"""Topics of the event log that belong to partners."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "event_topics",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("published_sequence", sa.BigInteger, nullable=False),
        sa.Column("closed_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_event_topics"),
        sa.UniqueConstraint("account_id", name="uq_event_topics_account_id"),
    )


def downgrade() -> None:
    op.drop_table("event_topics")
