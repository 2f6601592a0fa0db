"""Tables of second factors."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from services.accounts.tables import Base


class SecondFactor(Base):
    """What an account's app and this service share. It counts from `enabled_at` on."""

    __tablename__ = "second_factors"

    account_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    sealed_secret: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    enabled_at: Mapped[datetime | None]
    last_step: Mapped[int | None] = mapped_column(BigInteger)
    """Time step of the last code that was right: none of it or before is taken again."""
    wrong_codes: Mapped[int]
    """Since the last that was right."""
    heard_from: Mapped[datetime | None]
    """When the next code of the app is looked at, after many wrong ones."""


class RecoveryCode(Base):
    """One that was not used yet, by its digest."""

    __tablename__ = "recovery_codes"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
