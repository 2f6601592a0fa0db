"""Tables of public events."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, SmallInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.notifier.tables import Base


class EventLog(Base):
    """How far an account's events are numbered. The row is locked from one number to the commit that uses it."""

    __tablename__ = "event_logs"

    account_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    last_sequence: Mapped[int] = mapped_column(BigInteger)
    read_at: Mapped[datetime | None]
    """When the feed was last read, to within an hour."""


class PublicEvent(Base):
    """Something that an account may know of; it is told alike in the feed and by webhooks."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("account_id", "sequence", name="uq_events_account_id_sequence"),
        UniqueConstraint("subject", "stage", name="uq_events_subject_stage"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(String(40))
    sequence: Mapped[int] = mapped_column(BigInteger)
    """From 1, without gaps: whoever has seen one number has missed none before it."""
    type: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(130))
    """Id of what it happened to."""
    stage: Mapped[int] = mapped_column(SmallInteger)
    """How far that had come; it never goes back, so repeated and late news are none."""
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(index=True)
    data: Mapped[dict[str, Any]]
