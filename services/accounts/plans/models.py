"""The table of prices."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from services.accounts.tables import Base


class PriceKind(StrEnum):
    PACK = "pack"
    """Credits bought once."""
    PLAN = "plan"
    """Credits of every month."""
    RATE = "rate"
    """Credits of a second of sound."""


class Price(Base):
    """One version of one price. Nothing of it changes but its end, which its successor sets."""

    __tablename__ = "prices"
    __table_args__ = (
        CheckConstraint("credits > 0", name="credits_positive"),
        CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
        CheckConstraint("rate_millicredits > 0", name="rate_positive"),
        Index("ix_prices_kind_code_valid_from", "kind", "code", "valid_from"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))
    code: Mapped[str] = mapped_column(String(40))
    """Names what is sold through all versions of its price; of a plan, also what the users who have it are marked
    with; of a rate, `model/tier`."""
    name: Mapped[str] = mapped_column(String(100))
    credits: Mapped[int | None] = mapped_column(BigInteger)
    """Of a pack, or of each month of a plan."""
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    """In the smallest unit of the currency: 490 `eur` are 4.90 euros."""
    currency: Mapped[str | None] = mapped_column(String(3))
    rate_millicredits: Mapped[int | None] = mapped_column(BigInteger)
    """Thousandths of a credit for a second of sound."""
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]
    created_at: Mapped[datetime]
