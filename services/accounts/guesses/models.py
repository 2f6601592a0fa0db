"""The table of wrong guesses."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from services.accounts.tables import Base


class WrongGuesses(Base):
    """Wrong guesses at one account since the last that was right: from one network, or from all."""

    __tablename__ = "tries"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    """A digest of what is tried, the address that was given, and the network; only this service can make it."""
    number: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(index=True)
    heard_from: Mapped[datetime | None]
    """When the next is heard, after many."""
