"""Events and their numbering, and the kit's own tables."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import JsonDocument, UtcDateTime
from services.kit.migrations import (
    create_erased_table,
    create_inbox,
    create_kit_tables,
    create_refused_table,
    drop_erased_table,
    drop_inbox,
    drop_kit_tables,
    drop_refused_table,
)

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_kit_tables()
    drop_inbox()
    create_refused_table()
    create_erased_table()
    op.create_table(
        "event_logs",
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("last_sequence", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_event_logs"),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(130), nullable=False),
        sa.Column("stage", sa.SmallInteger, nullable=False),
        sa.Column("occurred_at", UtcDateTime, nullable=False),
        sa.Column("recorded_at", UtcDateTime, nullable=False),
        sa.Column("data", JsonDocument, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("account_id", "sequence", name="uq_events_account_id_sequence"),
        sa.UniqueConstraint("subject", "stage", name="uq_events_subject_stage"),
    )
    op.create_index("ix_events_recorded_at", "events", ["recorded_at"])


def downgrade() -> None:
    op.drop_table("events")
    op.drop_table("event_logs")
    drop_erased_table()
    drop_refused_table()
    create_inbox()
    drop_kit_tables()
