"""Orders that came to nothing are found, to be forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_OVER = "status IN ('rejected', 'canceled')"
_INDEXES = {"ix_jobs_unrun": ("jobs", f"attempt = 0 AND {_OVER}"), "ix_batches_fruitless": ("batches", _OVER)}


def upgrade() -> None:
    for name, (table, where) in _INDEXES.items():
        condition = sa.text(where)
        op.create_index(name, table, ["account_id", "id"], sqlite_where=condition, postgresql_where=condition)


def downgrade() -> None:
    for name, (table, _) in _INDEXES.items():
        op.drop_index(name, table)
