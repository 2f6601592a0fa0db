"""What those who run the platform see and do: drained workers, a pause of the queue, measures of the last days."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import RowNumber, UtcDateTime

revision = "0013"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workers", sa.Column("drained_at", UtcDateTime, nullable=True))
    op.create_table(
        "queue_pause",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_queue_pause"),
    )
    op.create_table(
        "job_measures",
        sa.Column("id", RowNumber, autoincrement=True, nullable=False),
        sa.Column("ended_at", UtcDateTime, nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("error_code", sa.String(80), nullable=True),
        sa.Column("audio_seconds", sa.Double(), nullable=False),
        sa.Column("wait_seconds", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_job_measures"),
    )
    op.create_index("ix_job_measures_ended_at", "job_measures", ["ended_at"])
    op.create_table(
        "queue_samples",
        sa.Column("minute", UtcDateTime, nullable=False),
        sa.Column("outstanding_audio_seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("minute", name="pk_queue_samples"),
    )


def downgrade() -> None:
    for name in ("queue_samples", "job_measures", "queue_pause"):
        op.drop_table(name)
    with op.batch_alter_table("workers") as workers:
        workers.drop_column("drained_at")
