"""The table of partners' topics."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from services.notifier.tables import Base


class EventTopic(Base):
    """The one topic of an account."""

    __tablename__ = "event_topics"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(String(40), unique=True)
    created_at: Mapped[datetime]
    published_sequence: Mapped[int] = mapped_column(BigInteger)
    """The number of the last event that is on it."""
    closed_at: Mapped[datetime | None]
    """When it was given up; it goes once the brokers have let go of it and of its reader."""
