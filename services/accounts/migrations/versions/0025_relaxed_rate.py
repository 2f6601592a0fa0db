"""Relaxed work has a price, half of the first list's, where an operator has set no rate of their own."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_PRICES = sa.table(
    "prices",
    sa.column("id", sa.String),
    sa.column("kind", sa.String),
    sa.column("code", sa.String),
    sa.column("name", sa.String),
    sa.column("rate_millicredits", sa.BigInteger),
    sa.column("valid_from", UtcDateTime),
    sa.column("created_at", UtcDateTime),
)
_ID = f"prc_{6:026d}"


def upgrade() -> None:
    rates = sa.select(sa.func.count()).select_from(_PRICES).where(_PRICES.c.kind == "rate")
    if op.get_bind().scalar(rates) == 1:
        op.execute(
            _PRICES.insert().values(
                id=_ID,
                kind="rate",
                code="*/relaxed",
                name="Separation",
                rate_millicredits=500,
                valid_from=_BEGIN,
                created_at=_BEGIN,
            )
        )


def downgrade() -> None:
    op.execute(_PRICES.delete().where(_PRICES.c.id == _ID))
