"""What payments ask of whoever takes the money."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from services.accounts.payments.prices import Price


class SessionState(StrEnum):
    """What has become of a checkout at its provider."""

    OPEN = "open"
    PROCESSING = "processing"
    """The person is done; the bank is not."""
    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Order:
    """What somebody wants to buy. Its `checkout_id` is the key under which a provider makes one session of it."""

    checkout_id: str
    account_id: str
    email: str
    price: Price
    expires_at: datetime
    return_url: str
    customer_id: str | None = None
    """Who the account is at the provider, if it has bought before."""


@dataclass(frozen=True)
class ProviderSession:
    """A checkout as its provider has it. Amounts are in minor units of `currency` (ISO 4217, lower case)."""

    id: str
    url: str | None
    """Where the person pays; None once they no longer can."""
    state: SessionState
    account_id: str
    price_id: str
    currency: str
    amount_minor: int
    """The price of what is sold, before taxes that come on top."""
    total_minor: int
    """What the person pays."""
    tax_minor: int | None
    """The tax within the total; None where the provider computes none."""
    payment_ref: str | None = None
    """What refunds and disputes will name."""
    customer_id: str | None = None
    subscription_id: str | None = None
    invoice_id: str | None = None
    """Of a plan: what begins with it, and its first invoice."""


class SubscriptionState(StrEnum):
    WAITING = "waiting"
    """Its first payment has not come."""
    ACTIVE = "active"
    OVERDUE = "overdue"
    """A renewal was not paid, and is tried again."""
    ENDED = "ended"


@dataclass(frozen=True)
class ProviderSubscription:
    """A monthly plan as its provider has it."""

    id: str
    account_id: str
    checkout_id: str
    customer_id: str
    price_id: str
    state: SubscriptionState
    period_ends_at: datetime
    ends_with_period: bool


@dataclass(frozen=True)
class ProviderInvoice:
    """One period of a plan, or what a change of it within a period costs. Amounts as in `ProviderSession`."""

    id: str
    subscription_id: str | None
    is_paid: bool
    is_period: bool
    currency: str
    amount_minor: int
    total_minor: int
    tax_minor: int | None
    payment_ref: str | None


@dataclass(frozen=True)
class Refunded:
    """What was sent back of a payment in all, and what of that a bank would not take, so that it is ours again.

    Neither ever becomes less: of two answers the one with the larger amounts is the later one, however they come.
    """

    sent_minor: int = 0
    failed_minor: int = 0


@dataclass(frozen=True)
class ProviderCharge:
    """What has been paid back of a payment, and what it was for."""

    payment_ref: str
    refunded: Refunded
    checkout_id: str | None
    invoice_id: str | None


@dataclass(frozen=True)
class ProviderRefund:
    """One refund, made by us or by somebody at the provider's."""

    refund_id: str | None
    """Ours, if it is."""
    has_failed: bool
    charge: ProviderCharge


class DisputeState(StrEnum):
    INQUIRY = "inquiry"
    """The bank asks; no money has moved."""
    OPEN = "open"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True)
class ProviderDispute:
    """A payment that its payer's bank takes back."""

    id: str
    state: DisputeState
    charge: ProviderCharge


class Subject(StrEnum):
    """What an event is about."""

    CHECKOUT = "checkout"
    INVOICE = "invoice"
    SUBSCRIPTION = "subscription"
    CHARGE = "charge"
    REFUND = "refund"
    DISPUTE = "dispute"


@dataclass(frozen=True)
class ProviderEvent:
    """That something has happened to an object. What it is now is asked for: events come late and out of order."""

    id: str
    type: str
    subject: Subject | None
    """None for what does not concern us."""
    object_id: str
    checkout_id: str | None = None


@dataclass(frozen=True)
class EventPage:
    """Some of what a provider has told, and where to go on; None where that was all of it."""

    events: Sequence[ProviderEvent]
    next: str | None


@dataclass(frozen=True)
class Taking:
    """Money that a provider took, and what has become of it until now. Amounts in minor units of `currency`."""

    payment_ref: str
    currency: str
    paid_minor: int
    refunded_minor: int
    disputed: bool
    """Its payer's bank takes it back, or has."""


class Provider(Protocol):
    """Takes money, sells plans, and tells of what happens. Every method may block for the network; none is called
    inside a transaction.

    Raises ProviderUnavailable where the provider does not answer or refuses.
    """

    name: str

    def open(self, order: Order) -> ProviderSession:
        """The session of this order, made now or the last time that it was asked for."""

    def session(self, session_id: str) -> ProviderSession:
        """The session as it is now."""

    def expire(self, session_id: str) -> None:
        """Has nobody pay it any more, unless that was done. Harmless where it is over."""

    def event(self, body: bytes, signature: str | None) -> ProviderEvent:
        """What a webhook says, once its signature and its age are right. Raises WrongSignature."""

    def events(self, since: datetime, until: datetime, after: str | None) -> EventPage:
        """What was told from `since` until before `until`, whether or not it arrived, in any order; `after` is the
        `next` of the page before."""

    def subscription(self, subscription_id: str) -> ProviderSubscription:
        """The subscription as it is now."""

    def invoice(self, invoice_id: str) -> ProviderInvoice:
        """The invoice as it is now."""

    def charge(self, charge_id: str) -> ProviderCharge:
        """What has been paid back of this charge until now."""

    def made_refund(self, name: str) -> ProviderRefund:
        """The refund of this name as it is now."""

    def dispute(self, dispute_id: str) -> ProviderDispute:
        """The dispute as it is now."""

    def refund(self, payment_ref: str, amount_minor: int, refund_id: str) -> Refunded:
        """Pays back a part of a payment, once for each `refund_id`; what was paid back in all until now.

        Raises RefundRefused where the provider does not pay back as much, or has failed to.
        """

    def takings(self, since: datetime, until: datetime) -> Iterator[Taking]:
        """What was paid from `since` until before `until`."""

    def taking(self, payment_ref: str) -> Taking | None:
        """One payment; None where the provider knows of none."""

    def portal(self, customer_id: str, return_url: str) -> str:
        """The address of a page, good for some minutes, where this customer changes their plan."""

    def end_subscription(self, subscription_id: str) -> None:
        """Ends it at once. Harmless where it has ended."""
