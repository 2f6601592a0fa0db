"""Tables of the accounts service."""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from services.kit.database import JsonDocument, ServiceBase


class Base(ServiceBase):
    __abstract__ = True


class User(Base):
    __tablename__ = "users"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(254), unique=True)
    """The address folded so that two spellings of one mailbox are one user."""
    password_hash: Mapped[str] = mapped_column(String(200))
    display_name: Mapped[str | None] = mapped_column(String(100))
    roles: Mapped[list[str]] = mapped_column(JsonDocument)
    plan: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class SignInSession(Base):
    """One sign-in and the chain of refresh tokens that grows from it."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]
    revoked_because: Mapped[str | None] = mapped_column(String(40))


class RefreshToken(Base):
    __tablename__ = "refresh_tokens"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    successor_digest: Mapped[str | None] = mapped_column(String(64))


class ApiKey(Base):
    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(20))
    scopes: Mapped[list[str]] = mapped_column(JsonDocument)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    sealed_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The key, encrypted, for a day: only where an Idempotency-Key promises the first answer again."""


class AccountBalance(Base):
    """What the ledger's entries add up to, and the row that is locked while an account's credits move.

    It has no reference to the user: money stays on the books when a person is erased.
    """

    __tablename__ = "balances"
    __table_args__ = (
        CheckConstraint("available >= 0", name="available_not_negative"),
        CheckConstraint("reserved >= 0", name="reserved_not_negative"),
    )

    account_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    available: Mapped[int] = mapped_column(BigInteger)
    reserved: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(BigInteger)


class LedgerTransfer(Base):
    """One movement of an account's credits, and what the account had after it. Rows are only ever added."""

    __tablename__ = "ledger_transfers"
    __table_args__ = (
        # At most one hold, and at most one capture, release or expiry of it, whatever comes twice.
        UniqueConstraint("job_id", "kind"),
        # No two movements start from the same balance, and the numbers page through an account's statement.
        UniqueConstraint("account_id", "version"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    account_id: Mapped[str] = mapped_column(ForeignKey("balances.account_id"))
    version: Mapped[int] = mapped_column(BigInteger)
    available_after: Mapped[int] = mapped_column(BigInteger)
    reserved_after: Mapped[int] = mapped_column(BigInteger)
    job_id: Mapped[str | None] = mapped_column(String(40))
    reason: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]


class LedgerEntry(Base):
    """One line of a transfer. Rows are only ever added.

    The system's accounts are sums over these: a running total of revenue would be a row that every job waits for.
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (CheckConstraint("credits <> 0", name="credits_not_zero"),)

    transfer_id: Mapped[str] = mapped_column(ForeignKey("ledger_transfers.id"), primary_key=True)
    ledger_account: Mapped[str] = mapped_column(String(40), primary_key=True)
    credits: Mapped[int] = mapped_column(BigInteger)


class Reservation(Base):
    """The hold of one job, or the note that it will get none."""

    __tablename__ = "reservations"
    __table_args__ = (
        CheckConstraint("price_credits >= 0", name="price_not_negative"),
        Index(
            "ix_reservations_held",
            "expires_at",
            sqlite_where=text("state = 'held'"),
            postgresql_where=text("state = 'held'"),
        ),
    )

    job_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("balances.account_id"), index=True)
    state: Mapped[str] = mapped_column(String(20))
    price_credits: Mapped[int] = mapped_column(BigInteger)
    refusal_code: Mapped[str | None] = mapped_column(String(40))
    refusal_detail: Mapped[str | None] = mapped_column(String(300))
    allowance_day: Mapped[date | None] = mapped_column(Date)
    """The day whose preview allowance this job took from."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class PreviewUse(Base):
    """How many of a day's free previews an account has taken."""

    __tablename__ = "preview_uses"
    __table_args__ = (CheckConstraint("used >= 0", name="used_not_negative"),)

    account_id: Mapped[str] = mapped_column(ForeignKey("balances.account_id"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    used: Mapped[int]
