"""The table of webhook endpoints."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from services.notifier.tables import Base


class WebhookEndpoint(Base):
    """One address of an account."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        Index("uq_webhook_endpoints_account_id_callback_origin", "account_id", "callback_origin", unique=True),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(String(40), index=True)
    url: Mapped[str] = mapped_column(String(2000))
    callback_origin: Mapped[str | None] = mapped_column(String(300))
    """Of the queue of callbacks to a host: scheme, host and port. Such a one is nobody's to see or change."""
    event_types: Mapped[list[Any]]
    """Empty: every type, those to come included."""
    description: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime]

    enabled: Mapped[bool]
    enabled_at: Mapped[datetime]
    """When it was made or last enabled."""
    disabled_because: Mapped[str | None] = mapped_column(String(20))
    failing_since: Mapped[datetime | None]
    """The first failure after the last success."""

    sealed_secret: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_previous: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_until: Mapped[datetime | None]
    """Until then what is sent bears a signature by the previous secret too."""
