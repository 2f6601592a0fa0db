"""Changes of address."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "email_changes",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("session_id", sa.String(40), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("email_key", sa.String(254), nullable=False),
        sa.Column("previous_email", sa.String(254), nullable=False),
        sa.Column("previous_key", sa.String(254), nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_email_changes"),
        sa.ForeignKeyConstraint(["account_id"], ["users.id"], name="fk_email_changes_account_id", ondelete="CASCADE"),
    )
    for column in ("account_id", "email_key", "asked_at"):
        op.create_index(f"ix_email_changes_{column}", "email_changes", [column])


def downgrade() -> None:
    op.drop_table("email_changes")
