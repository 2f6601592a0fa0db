"""Tables of sign-ins."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from services.accounts.security_events.origin import MAX_USER_AGENT_CHARACTERS
from services.accounts.tables import Base


class SignInSession(Base):
    """One sign-in and the chain of refresh tokens that grows from it."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime] = mapped_column(index=True)
    network: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(MAX_USER_AGENT_CHARACTERS))
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None] = mapped_column(index=True)
    revoked_because: Mapped[str | None] = mapped_column(String(40))
    cookie_digest: Mapped[str | None] = mapped_column(String(64), unique=True, index=True)
    """Of the web app's cookie; such a session has no refresh tokens."""
    cookie_expires_at: Mapped[datetime | None]
    """When the session ends if nobody uses it."""


class RefreshToken(Base):
    __tablename__ = "refresh_tokens"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    successor_digest: Mapped[str | None] = mapped_column(String(64))
