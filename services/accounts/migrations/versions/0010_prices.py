"""Prices, and a first list of them that an operator replaces by their own."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_FIRST = (
    ("pack", "one-hour", "One hour", 3_600, 490, "eur", None),
    ("pack", "five-hours", "Five hours", 18_000, 1_990, "eur", None),
    ("pack", "twenty-hours", "Twenty hours", 72_000, 5_900, "eur", None),
    ("plan", "monthly", "Ten hours a month", 36_000, 1_490, "eur", None),
    ("rate", "*/fast", "Separation", None, None, None, 1_000),
)


def upgrade() -> None:
    prices = op.create_table(
        "prices",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("credits", sa.BigInteger, nullable=True),
        sa.Column("amount_minor", sa.BigInteger, nullable=True),
        sa.Column("currency", sa.String(3), nullable=True),
        sa.Column("rate_millicredits", sa.BigInteger, nullable=True),
        sa.Column("valid_from", UtcDateTime, nullable=False),
        sa.Column("valid_to", UtcDateTime, nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_prices"),
        sa.CheckConstraint("credits > 0", name="credits_positive"),
        sa.CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
        sa.CheckConstraint("rate_millicredits > 0", name="rate_positive"),
    )
    op.create_index("ix_prices_kind_code_valid_from", "prices", ["kind", "code", "valid_from"])
    fields = ("kind", "code", "name", "credits", "amount_minor", "currency", "rate_millicredits")
    op.bulk_insert(
        prices,
        [
            # Ids that sort before every later one: their time is the first there is.
            {
                "id": f"prc_{number:026d}",
                "valid_from": _BEGIN,
                "created_at": _BEGIN,
                **dict(zip(fields, values, strict=True)),
            }
            for number, values in enumerate(_FIRST, start=1)
        ],
    )


def downgrade() -> None:
    op.drop_table("prices")
