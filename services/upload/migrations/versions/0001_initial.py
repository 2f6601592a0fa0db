"""Uploads, and the kit's own tables."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import JsonDocument, UtcDateTime
from services.kit.migrations import create_kit_tables, drop_kit_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_kit_tables()
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("completed_at", UtcDateTime),
        sa.Column("decided_at", UtcDateTime),
        sa.Column("deleted_at", UtcDateTime),
        sa.Column("filename", sa.String(255), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("content_type", sa.String(100)),
        sa.Column("declared_sha256", sa.String(64)),
        sa.Column("part_bytes", sa.Integer, nullable=False),
        sa.Column("multipart_id", sa.Text),
        sa.Column("parts", JsonDocument),
        sa.Column("litter", sa.Boolean, nullable=False),
        sa.Column("lease_token", sa.String(40)),
        sa.Column("lease_until", UtcDateTime),
        sa.Column("not_before", UtcDateTime),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("traceparent", sa.String(128)),
        sa.Column("code", sa.String(80)),
        sa.Column("reason", sa.Text),
        sa.Column("sha256", sa.String(64)),
        sa.Column("duration_seconds", sa.Double),
        sa.Column("samples", sa.BigInteger),
        sa.Column("sample_rate_hz", sa.Integer),
        sa.Column("channels", sa.Integer),
        sa.Column("codec", sa.String(80)),
        sa.Column("container", sa.String(80)),
        sa.Column("whole", sa.Boolean),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
    )
    op.create_index("ix_uploads_account", "uploads", ["account_id", "id"])
    _partial_index("ix_uploads_validating", "completed_at", "status = 'validating'")
    _partial_index("ix_uploads_pending", "created_at", "status = 'pending'")
    _partial_index("ix_uploads_deleted", "deleted_at", "status = 'deleted'")
    _partial_index("ix_uploads_litter", "id", "litter")


def downgrade() -> None:
    op.drop_table("uploads")
    drop_kit_tables()


def _partial_index(name: str, column: str, condition: str) -> None:
    op.create_index(name, "uploads", [column], sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))
