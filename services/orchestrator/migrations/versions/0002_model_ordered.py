"""Whether an order named its model: such a job keeps it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Services of the release before do not know the column: the database fills it for them.
    op.add_column("jobs", sa.Column("model_ordered", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.drop_column("jobs", "model_ordered")
