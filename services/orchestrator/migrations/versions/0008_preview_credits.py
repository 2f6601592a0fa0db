"""What a preview is worth to the full separation of the same upload."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "preview_credits",
        sa.Column("upload_id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("made_at", UtcDateTime, nullable=False),
        sa.Column("job_id", sa.String(40), nullable=True),
        sa.PrimaryKeyConstraint("upload_id", name="pk_preview_credits"),
    )
    op.create_index("ix_preview_credits_account_id", "preview_credits", ["account_id"])
    for table in ("jobs", "quotes"):
        op.add_column(table, sa.Column("preview_credit_credits", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    for table in ("jobs", "quotes"):
        op.drop_column(table, "preview_credit_credits")
    op.drop_table("preview_credits")
