"""Sign-ins say from where they are used, and when last."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("sessions") as sessions:
        sessions.add_column(sa.Column("last_used_at", UtcDateTime, nullable=True))
        sessions.add_column(sa.Column("network", sa.String(45), nullable=True))
        sessions.add_column(sa.Column("user_agent", sa.String(200), nullable=True))
    # When they were last used is not known: none of them shall end because of that.
    table = sa.table("sessions", sa.column("last_used_at", UtcDateTime))
    op.execute(table.update().values(last_used_at=datetime.now(UTC)))
    with op.batch_alter_table("sessions") as sessions:
        sessions.alter_column("last_used_at", existing_type=UtcDateTime, nullable=False)
    op.create_index("ix_sessions_last_used_at", "sessions", ["last_used_at"])


def downgrade() -> None:
    op.drop_index("ix_sessions_last_used_at", "sessions")
    with op.batch_alter_table("sessions") as sessions:
        for name in ("user_agent", "network", "last_used_at"):
            sessions.drop_column(name)
