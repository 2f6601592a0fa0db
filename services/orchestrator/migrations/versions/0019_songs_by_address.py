"""Songs that batches name by their addresses."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("uploads", sa.Column("source_url", sa.Text, nullable=True))


def downgrade() -> None:
    op.drop_column("uploads", "source_url")
