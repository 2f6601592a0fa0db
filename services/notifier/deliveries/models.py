"""Tables of webhook deliveries."""

from datetime import datetime

from sqlalchemy import BigInteger, Double, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from services.kit.database import RowNumber
from services.notifier.tables import Base

PENDING = text("status = 'pending'")
FAILED = text("status = 'failed'")
OF_CALLBACKS = text("callback_url IS NOT NULL")


class Delivery(Base):
    """One event on its way to one endpoint."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "event_id", name="uq_webhook_deliveries_endpoint_id_event_id"),
        Index("ix_webhook_deliveries_due", "endpoint_id", "due_at", sqlite_where=PENDING, postgresql_where=PENDING),
        # Pages are read along these: none sorts all that was ever delivered.
        Index("ix_webhook_deliveries_endpoint_id_id", "endpoint_id", "id"),
        Index("ix_webhook_deliveries_failed", "endpoint_id", "id", sqlite_where=FAILED, postgresql_where=FAILED),
        Index(
            "ix_webhook_deliveries_callbacks",
            "account_id",
            "id",
            sqlite_where=OF_CALLBACKS,
            postgresql_where=OF_CALLBACKS,
        ),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    account_id: Mapped[str] = mapped_column(String(40))
    event_id: Mapped[str] = mapped_column(String(40))
    event_type: Mapped[str] = mapped_column(String(40))
    sequence: Mapped[int] = mapped_column(BigInteger)
    """The event's number; 0 of a test."""
    callback_url: Mapped[str | None] = mapped_column(String(2000))
    """Where it goes, of a callback."""
    traceparent: Mapped[str | None] = mapped_column(String(128))
    """What it is the end of: the trace of whatever made the event."""
    status: Mapped[str] = mapped_column(String(10))
    """pending, succeeded or failed."""
    tries: Mapped[int]
    """Since it was last begun with; a redelivery begins anew."""
    created_at: Mapped[datetime] = mapped_column(index=True)
    due_at: Mapped[datetime | None]
    """Of a pending one: when it is tried next, or, while a process has it, when another takes it up."""
    claim: Mapped[str | None] = mapped_column(String(40))
    """Whose try counts: a process that slept through its time changes nothing."""
    finished_at: Mapped[datetime | None]


class Attempt(Base):
    """One try, and what came of it."""

    __tablename__ = "webhook_attempts"

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    delivery_id: Mapped[str] = mapped_column(ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), index=True)
    started_at: Mapped[datetime]
    seconds: Mapped[float] = mapped_column(Double)
    url: Mapped[str] = mapped_column(String(2000))
    status_code: Mapped[int | None]
    problem: Mapped[str | None] = mapped_column(String(200))
    answer: Mapped[str | None] = mapped_column(Text)
    """The beginning of the body."""
