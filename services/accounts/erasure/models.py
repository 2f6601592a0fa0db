"""The table of erasures."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from services.accounts.tables import Base


class WelcomedAddress(Base):
    """An address whose account was erased after it had had welcome credits, by a keyed hash and with no link to that
    account. Only who has the key and the address can tell that it is this one."""

    __tablename__ = "welcomed_addresses"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    erased_at: Mapped[datetime] = mapped_column(index=True)


class Erasure(Base):
    """One account that was closed, and what each service deleted. It outlives the user, of whom nothing is in it."""

    __tablename__ = "erasures"
    __table_args__ = (
        Index(
            "ix_erasures_tell_at",
            "tell_at",
            sqlite_where=text("tell_at IS NOT NULL"),
            postgresql_where=text("tell_at IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(String(40), unique=True)
    token_digest: Mapped[str] = mapped_column(String(64), unique=True)
    requested_at: Mapped[datetime] = mapped_column(index=True)
    receipts: Mapped[dict[str, Any]]
    """By service: `finished_at` (RFC 3339) and `erased`, a number by kind."""
    finished_at: Mapped[datetime | None]
    told_times: Mapped[int]
    tell_at: Mapped[datetime | None]
    """When the services are told again; None once each of them has answered."""
