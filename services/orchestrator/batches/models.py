"""Tables of batches."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from services.orchestrator.batches.states import Status
from services.orchestrator.tables import Base


class Batch(Base):
    """Songs that were ordered together. Each of them is a job; what they cost is held at once."""

    __tablename__ = "batches"
    __table_args__ = (
        Index("ix_batches_account_id_id", "account_id", "id"),
        Index(
            "ix_batches_open",
            "account_id",
            sqlite_where=text("finished_at IS NULL"),
            postgresql_where=text("finished_at IS NULL"),
        ),
        Index(
            "ix_batches_ask_at",
            "ask_at",
            sqlite_where=text("ask_at IS NOT NULL"),
            postgresql_where=text("ask_at IS NOT NULL"),
        ),
        Index(
            "ix_batches_fruitless",
            "account_id",
            "id",
            sqlite_where=text("status IN ('rejected', 'canceled')"),
            postgresql_where=text("status IN ('rejected', 'canceled')"),
        ),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(12))
    mode: Mapped[str] = mapped_column(String(10))
    tier: Mapped[str] = mapped_column(String(12))
    songs: Mapped[int]
    """How many were ordered."""
    price_credits: Mapped[int | None] = mapped_column(BigInteger)
    """Of all songs that can be separated; None until their lengths are known."""
    error_code: Mapped[str | None] = mapped_column(String(80))
    """Why the price could not be held."""
    error_message: Mapped[str | None] = mapped_column(String(500))
    batch_metadata: Mapped[dict[str, Any] | None]
    callback_url: Mapped[str | None] = mapped_column(String(2000))

    created_at: Mapped[datetime]
    queued_at: Mapped[datetime | None]
    """When the price was held."""
    canceled_at: Mapped[datetime | None]
    """When its owner wanted it no more."""
    finished_at: Mapped[datetime | None]
    counts: Mapped[dict[str, Any] | None]
    """How many songs ended how, once all have: songs may be deleted afterwards."""
    charged_credits: Mapped[int | None] = mapped_column(BigInteger)
    event_id: Mapped[str | None] = mapped_column(String(40))
    """Of the event that tells its end, the same however often it is told."""

    asked_times: Mapped[int] = mapped_column(default=0)
    ask_at: Mapped[datetime | None]
    """When to ask again for the hold, or to tell the end once more."""
    traceparent: Mapped[str | None] = mapped_column(String(128))

    @property
    def state(self) -> Status:
        """The status as a member of its closed set."""
        return Status(self.status)
