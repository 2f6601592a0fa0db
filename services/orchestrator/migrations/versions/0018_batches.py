"""Batches, and addresses that are called when a job or a batch is over."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import JsonDocument, UtcDateTime

revision = "0018"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("mode", sa.String(10), nullable=False),
        sa.Column("tier", sa.String(12), nullable=False),
        sa.Column("songs", sa.Integer, nullable=False),
        sa.Column("price_credits", sa.BigInteger, nullable=True),
        sa.Column("error_code", sa.String(80), nullable=True),
        sa.Column("error_message", sa.String(500), nullable=True),
        sa.Column("batch_metadata", JsonDocument, nullable=True),
        sa.Column("callback_url", sa.String(2000), nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("queued_at", UtcDateTime, nullable=True),
        sa.Column("canceled_at", UtcDateTime, nullable=True),
        sa.Column("finished_at", UtcDateTime, nullable=True),
        sa.Column("counts", JsonDocument, nullable=True),
        sa.Column("charged_credits", sa.BigInteger, nullable=True),
        sa.Column("event_id", sa.String(40), nullable=True),
        sa.Column("asked_times", sa.Integer, nullable=False),
        sa.Column("ask_at", UtcDateTime, nullable=True),
        sa.Column("traceparent", sa.String(128), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
    )
    op.create_index("ix_batches_account_id_id", "batches", ["account_id", "id"])
    for name, column, condition in (
        ("open", "account_id", "finished_at IS NULL"),
        ("ask_at", "ask_at", "ask_at IS NOT NULL"),
    ):
        where = sa.text(condition)
        op.create_index(f"ix_batches_{name}", "batches", [column], sqlite_where=where, postgresql_where=where)
    op.add_column("jobs", sa.Column("batch_id", sa.String(40), nullable=True))
    op.add_column("jobs", sa.Column("callback_url", sa.String(2000), nullable=True))
    where = sa.text("batch_id IS NOT NULL")
    op.create_index("ix_jobs_batch_id", "jobs", ["batch_id", "status"], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    raise NotImplementedError("songs of batches would be jobs whose prices nobody holds")
