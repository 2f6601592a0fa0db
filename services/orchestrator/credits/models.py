"""Tables of credits."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from services.orchestrator.tables import Base


class StandingQuote(Base):
    """What a separation was quoted at, for as long as that binds us."""

    __tablename__ = "quotes"

    upload_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    mode: Mapped[str] = mapped_column(String(12), primary_key=True)
    model_name: Mapped[str] = mapped_column(String(80), primary_key=True, default="", server_default="")
    """As ordered; empty where the choice was left to us, whatever it then was."""
    tier: Mapped[str] = mapped_column(String(12), primary_key=True, default="fast", server_default="fast")
    price_credits: Mapped[int]
    """Of the whole song, before anything is deducted."""
    preview_credit_credits: Mapped[int] = mapped_column(default=0, server_default="0")
    """What is deducted from it for a preview of the upload."""
    rate_id: Mapped[str | None] = mapped_column(String(40))
    """The version of the rate; a preview has none."""
    millicredits_per_second: Mapped[int | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class PreviewCredit(Base):
    """What previews of an upload are worth to its full separation, and which job has had it."""

    __tablename__ = "preview_credits"

    upload_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(String(40), index=True)
    seconds: Mapped[float]
    made_at: Mapped[datetime]
    """When the preview ended."""
    job_id: Mapped[str | None] = mapped_column(String(40))
    """The full job that it was deducted from, unless that did not succeed."""


class KnownRate(Base):
    """What a second of sound costs, as the events of accounts told of it."""

    __tablename__ = "rates"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    model_name: Mapped[str] = mapped_column(String(80))
    """`*` for every one without a rate of its own."""
    tier: Mapped[str] = mapped_column(String(80))
    millicredits_per_second: Mapped[int]
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]
    told_at: Mapped[datetime]
    """By the clock of accounts."""
    heard_at: Mapped[datetime]


class KnownBalance(Base):
    """The credits of an account, as the events of accounts told of them."""

    __tablename__ = "balances"

    account_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    available_credits: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(BigInteger)
    previews_left: Mapped[int | None]
    """Of the free previews of the day on which it was told."""
    previews_told_at: Mapped[datetime | None]
