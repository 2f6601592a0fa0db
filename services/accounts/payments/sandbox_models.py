"""What the sandbox, as a provider, keeps: tables that nothing else reads."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String, false
from sqlalchemy.orm import Mapped, mapped_column

from services.accounts.tables import Base


class SandboxSession(Base):
    """A checkout."""

    __tablename__ = "sandbox_sessions"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    checkout_id: Mapped[str] = mapped_column(String(40), unique=True)
    account_id: Mapped[str] = mapped_column(String(40))
    price_id: Mapped[str] = mapped_column(String(80))
    kind: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(String(120))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    state: Mapped[str] = mapped_column(String(20))
    expires_at: Mapped[datetime]
    return_url: Mapped[str] = mapped_column(String(2000))
    subscription_id: Mapped[str | None] = mapped_column(String(40))
    """What began with it, once it is paid."""


class SandboxSubscription(Base):
    """A plan that was begun."""

    __tablename__ = "sandbox_subscriptions"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    checkout_id: Mapped[str] = mapped_column(String(40))
    account_id: Mapped[str] = mapped_column(String(40), index=True)
    price_id: Mapped[str] = mapped_column(String(80))
    name: Mapped[str] = mapped_column(String(120))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    state: Mapped[str] = mapped_column(String(20))
    period_ends_at: Mapped[datetime]
    ends_with_period: Mapped[bool]


class SandboxCharge(Base):
    """Money that is said to have come in, or, of a renewal, to be owed: the charge and its invoice in one."""

    __tablename__ = "sandbox_charges"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    checkout_id: Mapped[str] = mapped_column(String(40), index=True)
    subscription_id: Mapped[str | None] = mapped_column(String(40), index=True)
    currency: Mapped[str] = mapped_column(String(3))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    paid_at: Mapped[datetime | None] = mapped_column(index=True)


class SandboxRefund(Base):
    """Money that is said to have gone back."""

    __tablename__ = "sandbox_refunds"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    """Of whoever asked for it."""
    charge_id: Mapped[str] = mapped_column(ForeignKey("sandbox_charges.id"), index=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    has_failed: Mapped[bool] = mapped_column(default=False, server_default=false())


class SandboxDispute(Base):
    """A charge that a bank is said to take back."""

    __tablename__ = "sandbox_disputes"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    charge_id: Mapped[str] = mapped_column(ForeignKey("sandbox_charges.id"), index=True)
    state: Mapped[str] = mapped_column(String(20))


class SandboxEvent(Base):
    """What the sandbox tells."""

    __tablename__ = "sandbox_events"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    subject: Mapped[str] = mapped_column(String(20))
    object_id: Mapped[str] = mapped_column(String(40))
    occurred_at: Mapped[datetime] = mapped_column(index=True)
