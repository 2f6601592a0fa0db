"""API keys may expire."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("expires_at", UtcDateTime, nullable=True))
    op.create_index("ix_api_keys_expires_at", "api_keys", ["expires_at"])


def downgrade() -> None:
    op.drop_index("ix_api_keys_expires_at", "api_keys")
    op.drop_column("api_keys", "expires_at")
