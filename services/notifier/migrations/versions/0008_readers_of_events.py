"""When an account's events were last read: of those that nobody reads few are kept."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("event_logs", sa.Column("read_at", UtcDateTime))
    # Who reads them was not noted before: nobody shall lose what they have not read yet.
    logs = sa.table("event_logs", sa.column("read_at", UtcDateTime))
    op.execute(logs.update().values(read_at=datetime.now(UTC)))


def downgrade() -> None:
    op.drop_column("event_logs", "read_at")
