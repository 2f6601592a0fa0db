"""Tables of the ledger and of the holds of jobs."""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from services.accounts.tables import Base


class AccountBalance(Base):
    """What the ledger's entries add up to, and the row that is locked while an account's credits move.

    It has no reference to the user: money stays on the books when a person is erased.
    """

    __tablename__ = "balances"
    __table_args__ = (
        CheckConstraint("available >= 0", name="available_not_negative"),
        CheckConstraint("reserved >= 0", name="reserved_not_negative"),
        CheckConstraint("debt >= 0", name="debt_not_negative"),
        CheckConstraint("debt = 0 OR available = 0", name="credits_or_debt"),
    )

    account_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    available: Mapped[int] = mapped_column(BigInteger)
    reserved: Mapped[int] = mapped_column(BigInteger)
    debt: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(BigInteger)


class LedgerTransfer(Base):
    """One movement of an account's credits, and what the account had after it. Rows are only ever added."""

    __tablename__ = "ledger_transfers"
    __table_args__ = (
        # At most one hold of a job, one capture of it, one purchase of a payment, whatever comes twice.
        UniqueConstraint("source_type", "source_id", "kind"),
        # No two movements start from the same balance, and the numbers page through an account's statement.
        UniqueConstraint("account_id", "version"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    account_id: Mapped[str] = mapped_column(ForeignKey("balances.account_id"))
    version: Mapped[int] = mapped_column(BigInteger)
    available_after: Mapped[int] = mapped_column(BigInteger)
    reserved_after: Mapped[int] = mapped_column(BigInteger)
    debt_after: Mapped[int] = mapped_column(BigInteger)
    source_type: Mapped[str] = mapped_column(String(20))
    source_id: Mapped[str] = mapped_column(String(100))
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


class CreditLot(Base):
    """Credits with an end, as one transfer brought them, and where each of them is."""

    __tablename__ = "credit_lots"
    __table_args__ = (
        CheckConstraint("available >= 0", name="available_not_negative"),
        CheckConstraint("held >= 0", name="held_not_negative"),
        CheckConstraint("spent >= 0", name="spent_not_negative"),
        CheckConstraint("lapsed >= 0", name="lapsed_not_negative"),
        CheckConstraint("available + held + spent + lapsed = credits", name="adds_up"),
        Index(
            "ix_credit_lots_available",
            "account_id",
            "expires_at",
            sqlite_where=text("available > 0"),
            postgresql_where=text("available > 0"),
        ),
        Index(
            "ix_credit_lots_due",
            "expires_at",
            sqlite_where=text("available > 0"),
            postgresql_where=text("available > 0"),
        ),
    )

    transfer_id: Mapped[str] = mapped_column(ForeignKey("ledger_transfers.id"), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("balances.account_id"))
    credits: Mapped[int] = mapped_column(BigInteger)
    available: Mapped[int] = mapped_column(BigInteger)
    held: Mapped[int] = mapped_column(BigInteger)
    spent: Mapped[int] = mapped_column(BigInteger)
    lapsed: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[datetime]


class LotHold(Base):
    """What the hold of a job has from a lot; gone once the hold has ended."""

    __tablename__ = "lot_holds"
    __table_args__ = (CheckConstraint("credits > 0", name="credits_positive"),)

    job_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    transfer_id: Mapped[str] = mapped_column(ForeignKey("credit_lots.transfer_id"), primary_key=True)
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
        Index(
            "ix_reservations_batch_id",
            "batch_id",
            sqlite_where=text("batch_id IS NOT NULL"),
            postgresql_where=text("batch_id IS NOT NULL"),
        ),
        Index(
            "ix_reservations_refused",
            "ended_at",
            sqlite_where=text("refusal_code IS NOT NULL"),
            postgresql_where=text("refusal_code IS NOT NULL"),
        ),
    )

    job_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("balances.account_id"), index=True)
    batch_id: Mapped[str | None] = mapped_column(String(40))
    """The hold that this one is a share of: its credits were held with those of the others."""
    state: Mapped[str] = mapped_column(String(20))
    price_credits: Mapped[int] = mapped_column(BigInteger)
    refusal_code: Mapped[str | None] = mapped_column(String(40))
    refusal_detail: Mapped[str | None] = mapped_column(String(300))
    allowance_day: Mapped[date | None] = mapped_column(Date)
    """The day whose preview allowance this job took from."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class BatchHold(Base):
    """The one hold of a batch of jobs, or the note that it gets none. The shares of its jobs are reservations."""

    __tablename__ = "batch_holds"
    __table_args__ = (
        CheckConstraint("price_credits >= 0", name="price_not_negative"),
        Index(
            "ix_batch_holds_refused",
            "created_at",
            sqlite_where=text("refusal_code IS NOT NULL"),
            postgresql_where=text("refusal_code IS NOT NULL"),
        ),
    )

    batch_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("balances.account_id"), index=True)
    granted: Mapped[bool]
    price_credits: Mapped[int] = mapped_column(BigInteger)
    """What was held, or would have been."""
    refusal_code: Mapped[str | None] = mapped_column(String(40))
    refusal_detail: Mapped[str | None] = mapped_column(String(300))
    created_at: Mapped[datetime]


class PreviewUse(Base):
    """How many of a day's free previews an account has taken."""

    __tablename__ = "preview_uses"
    __table_args__ = (CheckConstraint("used >= 0", name="used_not_negative"),)

    account_id: Mapped[str] = mapped_column(ForeignKey("balances.account_id"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    used: Mapped[int]
