"""Which mails go first, and below how many credits somebody was told."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mails", sa.Column("proved", sa.Boolean, nullable=False, server_default=sa.true()))
    op.create_index("ix_mails_proved", "mails", ["proved", "next_attempt_at"])
    op.add_column("users", sa.Column("low_credits_told_of", sa.BigInteger, nullable=True))


def downgrade() -> None:
    op.drop_column("users", "low_credits_told_of")
    op.drop_index("ix_mails_proved", "mails")
    op.drop_column("mails", "proved")
