"""Tables of checkouts, payments, refunds, plans, and what providers have told.

What was bought is written down with its price of that day: books are not changed by a new price.
"""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from services.accounts.tables import Base


class Checkout(Base):
    """One visit to the cashier."""

    __tablename__ = "checkouts"
    __table_args__ = (
        UniqueConstraint("provider", "session_id"),
        Index(
            "ix_checkouts_open",
            "checked_at",
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index(
            "ix_checkouts_account_id_open",
            "account_id",
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index(
            "ix_checkouts_customer",
            "account_id",
            "provider",
            "id",
            sqlite_where=text("customer_id IS NOT NULL"),
            postgresql_where=text("customer_id IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("balances.account_id"))
    provider: Mapped[str] = mapped_column(String(20))
    session_id: Mapped[str | None] = mapped_column(String(255))
    """Its name at the provider; None until the provider has given it one."""
    url: Mapped[str | None] = mapped_column(String(2000))
    customer_id: Mapped[str | None] = mapped_column(String(255))
    """Who the account is at the provider."""
    price_id: Mapped[str] = mapped_column(String(80))
    kind: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(String(120))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    credits: Mapped[int] = mapped_column(BigInteger)
    plan: Mapped[str | None] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    checked_at: Mapped[datetime]
    """When the provider was last asked about it."""
    ended_at: Mapped[datetime | None]


class Payment(Base):
    """Money that came in. Rows stay when a person is erased: they are the books, and name no person."""

    __tablename__ = "payments"
    __table_args__ = (
        # Whatever tells of one payment twice, it is there once.
        UniqueConstraint("provider", "provider_id"),
        CheckConstraint("refunded_minor >= 0 AND refunded_minor <= total_minor", name="refunded_at_most_all"),
        CheckConstraint("failed_refunds_minor >= 0", name="failed_refunds_not_negative"),
        CheckConstraint("returned_credits >= 0 AND returned_credits <= credits", name="returned_at_most_all"),
        Index("ix_payments_account_id_id", "account_id", "id"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("balances.account_id"))
    provider: Mapped[str] = mapped_column(String(20))
    provider_id: Mapped[str] = mapped_column(String(255))
    """The provider's session or invoice that was paid."""
    payment_ref: Mapped[str | None] = mapped_column(String(255), index=True)
    """What refunds and disputes name."""
    checkout_id: Mapped[str | None] = mapped_column(String(40), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    total_minor: Mapped[int] = mapped_column(BigInteger)
    tax_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    credits: Mapped[int] = mapped_column(BigInteger)
    refunded_minor: Mapped[int] = mapped_column(BigInteger)
    """What was paid back; what came back to us again is not in it."""
    failed_refunds_minor: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """What was sent back, and came back to us because a bank would not take it."""
    returned_credits: Mapped[int] = mapped_column(BigInteger)
    """Credits that refunds and chargebacks have taken back."""
    disputed: Mapped[bool]
    receipt_number: Mapped[str] = mapped_column(String(20), unique=True)
    paid_at: Mapped[datetime]


class Subscription(Base):
    """A monthly plan that somebody pays for at a provider."""

    __tablename__ = "subscriptions"

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    """The provider's own name for it."""
    account_id: Mapped[str] = mapped_column(ForeignKey("balances.account_id"), index=True)
    provider: Mapped[str] = mapped_column(String(20))
    customer_id: Mapped[str] = mapped_column(String(255))
    price_id: Mapped[str] = mapped_column(String(80))
    name: Mapped[str] = mapped_column(String(120))
    plan: Mapped[str] = mapped_column(String(40))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    credits: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(20))
    period_ends_at: Mapped[datetime]
    ends_with_period: Mapped[bool]
    grace_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ProviderNews(Base):
    """An event of a provider that was dealt with."""

    __tablename__ = "provider_news"
    __table_args__ = (Index("ix_provider_news_object", "provider", "object_id", "type"),)

    provider: Mapped[str] = mapped_column(String(20), primary_key=True)
    event_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    type: Mapped[str] = mapped_column(String(80))
    object_id: Mapped[str] = mapped_column(String(255))
    handled_at: Mapped[datetime] = mapped_column(index=True)


class ProviderFeed(Base):
    """How far a provider's own list of events was read."""

    __tablename__ = "provider_feeds"

    provider: Mapped[str] = mapped_column(String(20), primary_key=True)
    since: Mapped[datetime]
    """Everything before this was read."""
    until: Mapped[datetime | None]
    """Where the window ends that is being read."""
    after: Mapped[str | None] = mapped_column(String(255))
    """The last event of the window that was read."""
    missed: Mapped[bool]
    """Whether something of the window could not be acted on."""
    read_at: Mapped[datetime]


class Refund(Base):
    """Money that an admin pays back."""

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        Index(
            "ix_refunds_asked",
            "asked_at",
            sqlite_where=text("state = 'asked'"),
            postgresql_where=text("state = 'asked'"),
        ),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    payment_id: Mapped[str] = mapped_column(ForeignKey("payments.id"), index=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(200))
    actor: Mapped[str] = mapped_column(String(40))
    """Who pays back: an admin's id."""
    state: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime]
    asked_at: Mapped[datetime]
    """When the provider was last asked to."""
    ended_at: Mapped[datetime | None]
