"""What the sandbox has, as a provider tells of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import func, select

from services.accounts.payments.errors import CheckoutNotFound
from services.accounts.payments.providers import (
    DisputeState,
    ProviderCharge,
    ProviderEvent,
    ProviderSession,
    Refunded,
    SessionState,
    Subject,
    SubscriptionState,
    Taking,
)
from services.accounts.payments.sandbox_models import (
    SandboxCharge,
    SandboxDispute,
    SandboxEvent,
    SandboxRefund,
    SandboxSession,
    SandboxSubscription,
)
from services.kit.database import ReadSession, WriteSession
from services.kit.ids import new_id

T = TypeVar("T")

PAGE_PATH = "/billing/sandbox"
PERIOD = timedelta(days=30)


def known(found: T | None) -> T:
    """Raises CheckoutNotFound where there is none."""
    if found is None:
        raise CheckoutNotFound
    return found


def session_as_told(session: ReadSession, found: SandboxSession, public_url: str) -> ProviderSession:
    """A checkout as a provider tells of it."""
    state = SessionState(found.state)
    if state is SessionState.OPEN and found.expires_at <= session.now():
        state = SessionState.EXPIRED
    first = None
    if found.subscription_id is not None:
        first = session.scalar(
            select(func.min(SandboxCharge.id)).where(SandboxCharge.subscription_id == found.subscription_id)
        )
    return ProviderSession(
        id=found.id,
        url=f"{public_url}{PAGE_PATH}/{found.id}" if state is SessionState.OPEN else None,
        state=state,
        account_id=found.account_id,
        price_id=found.price_id,
        currency=found.currency,
        amount_minor=found.amount_minor,
        total_minor=found.amount_minor,
        tax_minor=None,
        payment_ref=first or found.id,
        customer_id=found.account_id,
        subscription_id=found.subscription_id,
        invoice_id=first,
    )


def state_of(found: SandboxSubscription, now: datetime) -> SubscriptionState:
    """What a plan is at this moment: one that was to end with its period has ended when that is over."""
    if found.ends_with_period and found.period_ends_at <= now:
        return SubscriptionState.ENDED
    return SubscriptionState(found.state)


def charge_of(plan: SandboxSubscription, paid_at: datetime | None) -> SandboxCharge:
    """What a month of a plan costs; not paid where `paid_at` is None."""
    return SandboxCharge(
        id=new_id("sbx"),
        checkout_id=plan.checkout_id,
        subscription_id=plan.id,
        currency=plan.currency,
        amount_minor=plan.amount_minor,
        paid_at=paid_at,
    )


def lock_plan(session: WriteSession, subscription_id: str) -> tuple[SandboxSubscription, SubscriptionState]:
    """A plan and what it is now, locked until the transaction ends. Raises CheckoutNotFound."""
    found = known(session.get(SandboxSubscription, subscription_id, with_for_update=True))
    return found, state_of(found, session.now())


def refunds_of(session: ReadSession, charge_id: str) -> Sequence[SandboxRefund]:
    """What was sent back of a charge, whether or not it arrived, the newest last."""
    of_charge = select(SandboxRefund).where(SandboxRefund.charge_id == charge_id)
    return session.scalars(of_charge.order_by(SandboxRefund.id)).all()


def refunded(session: ReadSession, charge_id: str) -> Refunded:
    """What of a charge was paid back."""
    made = refunds_of(session, charge_id)
    return Refunded(
        sent_minor=sum(refund.amount_minor for refund in made),
        failed_minor=sum(refund.amount_minor for refund in made if refund.has_failed),
    )


def dispute_of(session: ReadSession, charge_id: str) -> SandboxDispute | None:
    """The newest dispute of a charge."""
    of_charge = select(SandboxDispute).where(SandboxDispute.charge_id == charge_id)
    return session.scalar(of_charge.order_by(SandboxDispute.id.desc()).limit(1))


def is_disputed(session: ReadSession, charge_id: str) -> bool:
    """Whether a bank takes the charge back, or has."""
    dispute = dispute_of(session, charge_id)
    return dispute is not None and dispute.state != DisputeState.WON


def charge_as_told(session: ReadSession, found: SandboxCharge) -> ProviderCharge:
    """A charge as a provider tells of it."""
    of_plan = found.subscription_id is not None
    return ProviderCharge(
        payment_ref=found.id,
        refunded=refunded(session, found.id),
        checkout_id=None if of_plan else found.checkout_id,
        invoice_id=found.id if of_plan else None,
    )


def taking(session: ReadSession, charge: SandboxCharge) -> Taking:
    back = refunded(session, charge.id)
    return Taking(
        charge.id,
        charge.currency,
        charge.amount_minor,
        back.sent_minor - back.failed_minor,
        disputed=is_disputed(session, charge.id),
    )


def tell(session: WriteSession, subject: Subject, object_id: str) -> ProviderEvent:
    """Notes that something has happened to an object."""
    event = SandboxEvent(id=new_id("sbx"), subject=subject, object_id=object_id, occurred_at=session.now())
    session.add(event)
    session.flush()
    return event_as_told(event)


def event_as_told(event: SandboxEvent) -> ProviderEvent:
    return ProviderEvent(event.id, f"sandbox.{event.subject}", Subject(event.subject), event.object_id)
