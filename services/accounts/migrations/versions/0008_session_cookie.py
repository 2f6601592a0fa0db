"""Sign-ins of the web app: the digest of a cookie's secret, and until when it is good if nobody uses it."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("cookie_digest", sa.String(64), nullable=True))
    op.add_column("sessions", sa.Column("cookie_expires_at", UtcDateTime, nullable=True))
    op.create_index("ix_sessions_cookie_digest", "sessions", ["cookie_digest"], unique=True)


def downgrade() -> None:
    op.drop_index("ix_sessions_cookie_digest", "sessions")
    op.drop_column("sessions", "cookie_expires_at")
    op.drop_column("sessions", "cookie_digest")
