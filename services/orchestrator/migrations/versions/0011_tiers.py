"""Jobs and quotes have a tier: what there was is `fast`, as what the release before still writes."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_QUEUED = sa.text("status = 'queued'")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("tier", sa.String(12), nullable=False, server_default="fast"))
    _index("account_id", "mode", "tier", "model_name", "model_digest", "queued_at", "not_before", "worker_id")
    with op.batch_alter_table("quotes") as quotes:
        quotes.add_column(sa.Column("tier", sa.String(12), nullable=False, server_default="fast"))
        quotes.drop_constraint("pk_quotes", type_="primary")
        quotes.create_primary_key("pk_quotes", ["upload_id", "mode", "model_name", "tier"])


def downgrade() -> None:
    op.execute("DELETE FROM quotes WHERE tier <> 'fast'")
    with op.batch_alter_table("quotes") as quotes:
        quotes.drop_constraint("pk_quotes", type_="primary")
        quotes.create_primary_key("pk_quotes", ["upload_id", "mode", "model_name"])
        quotes.drop_column("tier")
    _index("account_id", "mode", "model_name", "model_digest", "queued_at", "not_before", "worker_id")
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("tier")


def _index(*columns: str) -> None:
    """The queue's index, made anew of these columns."""
    op.drop_index("ix_jobs_queue", "jobs")
    op.create_index("ix_jobs_queue", "jobs", list(columns), sqlite_where=_QUEUED, postgresql_where=_QUEUED)
