"""What operators did with dead letters."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0014"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dead_letter_decisions",
        sa.Column("letter", sa.String(80), nullable=False),
        sa.Column("decision", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("decided_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("letter", name="pk_dead_letter_decisions"),
    )
    op.create_index("ix_dead_letter_decisions_decided_at", "dead_letter_decisions", ["decided_at"])


def downgrade() -> None:
    op.drop_table("dead_letter_decisions")
