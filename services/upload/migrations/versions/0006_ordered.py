"""Songs that batches name by their addresses."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("uploads", sa.Column("ordered", sa.Boolean))


def downgrade() -> None:
    op.drop_column("uploads", "ordered")
