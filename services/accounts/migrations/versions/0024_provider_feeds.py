"""How far a provider's own list of events was read."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provider_feeds",
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
        sa.Column("until", UtcDateTime, nullable=True),
        sa.Column("after", sa.String(255), nullable=True),
        sa.Column("missed", sa.Boolean, nullable=False),
        sa.Column("read_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("provider", name="pk_provider_feeds"),
    )


def downgrade() -> None:
    op.drop_table("provider_feeds")
