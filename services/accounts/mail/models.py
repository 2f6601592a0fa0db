"""The table of mails that are still to be sent."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, true
from sqlalchemy.orm import Mapped, mapped_column

from services.accounts.tables import Base
from services.kit.database import JsonDocument


class OutgoingMail(Base):
    """A mail until it is sent; then nothing of it stays here."""

    __tablename__ = "mails"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    recipient: Mapped[str] = mapped_column(String(254))
    template: Mapped[str] = mapped_column(String(40))
    values: Mapped[dict[str, Any]] = mapped_column(JsonDocument)
    """What the template is filled with. Nothing secret: tokens are made when the mail is composed."""
    proved: Mapped[bool] = mapped_column(server_default=true())
    """Whether it goes to an account; to whatever address a stranger names, if not."""
    created_at: Mapped[datetime]
    attempts: Mapped[int]
    next_attempt_at: Mapped[datetime] = mapped_column(index=True)

    __table_args__ = (Index("ix_mails_proved", "proved", "next_attempt_at"),)
