"""Where in a song someone most likely sings."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("uploads", sa.Column("voice_start_seconds", sa.Double))


def downgrade() -> None:
    op.drop_column("uploads", "voice_start_seconds")
