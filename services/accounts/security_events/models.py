"""The table of security events."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from services.accounts.security_events.origin import MAX_USER_AGENT_CHARACTERS
from services.accounts.tables import Base


class SecurityEvent(Base):
    """Rows are added and, after their time, deleted; never changed. They outlive the user they are about."""

    __tablename__ = "security_events"
    __table_args__ = (Index("ix_security_events_account_id_id", "account_id", "id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str | None] = mapped_column(String(40))
    """None where somebody guessed at an address that nobody has."""
    kind: Mapped[str] = mapped_column(String(40))
    occurred_at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str | None] = mapped_column(String(40))
    """Who did it, where it was not the account itself: an admin's id, or the command line."""
    network: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(MAX_USER_AGENT_CHARACTERS))
    details: Mapped[dict[str, Any]]
