"""Stripe's objects as payments see them."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from services.accounts.payments.providers import (
    DisputeState,
    ProviderEvent,
    ProviderInvoice,
    ProviderSession,
    ProviderSubscription,
    Refunded,
    SessionState,
    Subject,
    SubscriptionState,
)

Document = Mapping[str, Any]

SUBJECTS: Mapping[str, Subject] = {
    "checkout.session.completed": Subject.CHECKOUT,
    "checkout.session.async_payment_succeeded": Subject.CHECKOUT,
    "checkout.session.async_payment_failed": Subject.CHECKOUT,
    "checkout.session.expired": Subject.CHECKOUT,
    "invoice.paid": Subject.INVOICE,
    "invoice.payment_failed": Subject.INVOICE,
    "customer.subscription.created": Subject.SUBSCRIPTION,
    "customer.subscription.updated": Subject.SUBSCRIPTION,
    "customer.subscription.deleted": Subject.SUBSCRIPTION,
    "charge.refunded": Subject.CHARGE,
    "refund.updated": Subject.REFUND,
    "refund.failed": Subject.REFUND,
    "charge.dispute.created": Subject.DISPUTE,
    "charge.dispute.closed": Subject.DISPUTE,
}
"""The events that the webhook at Stripe should send; others are taken and forgotten."""

SUBSCRIPTION_STATES = {
    "incomplete": SubscriptionState.WAITING,
    "trialing": SubscriptionState.ACTIVE,
    "active": SubscriptionState.ACTIVE,
    "past_due": SubscriptionState.OVERDUE,
}
"""All others (`canceled`, `unpaid`, `paused`, `incomplete_expired`) bring nothing."""

FAILED_REFUNDS = frozenset({"failed", "canceled"})
"""The money is ours again."""

PERIODS = ("subscription_create", "subscription_cycle")


def id_of(found: Any) -> str | None:
    """The id of an object, which is there whole or by its id alone."""
    name: str | None = found["id"] if isinstance(found, Mapping) else found
    return name


def session_of(found: Document) -> ProviderSession:
    metadata = found["metadata"] or {}
    tax = found.get("automatic_tax") or {}
    return ProviderSession(
        id=found["id"],
        url=found["url"],
        state=_session_state(found),
        account_id=found["client_reference_id"] or "",
        price_id=metadata.get("price_id", ""),
        currency=found["currency"] or "",
        amount_minor=found["amount_subtotal"] or 0,
        total_minor=found["amount_total"] or 0,
        tax_minor=(found.get("total_details") or {}).get("amount_tax") if tax.get("enabled") else None,
        payment_ref=id_of(found["payment_intent"]),
        customer_id=id_of(found["customer"]),
        subscription_id=id_of(found["subscription"]),
        invoice_id=id_of(found["invoice"]),
    )


def _session_state(found: Document) -> SessionState:
    match found["status"], found["payment_status"]:
        case "complete", "paid" | "no_payment_required":
            return SessionState.PAID
        case "complete", _:
            # A session knows no failure; the payment does.
            intent = found["payment_intent"]
            status = intent["status"] if isinstance(intent, Mapping) else None
            return SessionState.FAILED if status in {"requires_payment_method", "canceled"} else SessionState.PROCESSING
        case "expired", _:
            return SessionState.EXPIRED
    return SessionState.OPEN


def dispute_state(status: str) -> DisputeState:
    if status.startswith("warning_"):
        return DisputeState.INQUIRY
    if status == "lost":
        return DisputeState.LOST
    return DisputeState.WON if status in {"won", "prevented"} else DisputeState.OPEN


def refunded_by(refunds: Iterable[Document]) -> Refunded:
    """What these, all of a charge, come to."""
    made = list(refunds)
    failed = sum(one["amount"] for one in made if one["status"] in FAILED_REFUNDS)
    return Refunded(sent_minor=sum(one["amount"] for one in made), failed_minor=failed)


def subscription_of(found: Document) -> ProviderSubscription:
    item, metadata = found["items"]["data"][0], found["metadata"] or {}
    price = item["price"]
    return ProviderSubscription(
        id=found["id"],
        account_id=metadata.get("account_id", ""),
        checkout_id=metadata.get("checkout_id", ""),
        customer_id=id_of(found["customer"]) or "",
        # Who changed the plan in the portal has another price, which the operator has named as we do.
        price_id=price.get("lookup_key") or metadata.get("price_id", ""),
        state=SUBSCRIPTION_STATES.get(found["status"], SubscriptionState.ENDED),
        period_ends_at=datetime.fromtimestamp(item["current_period_end"], UTC),
        ends_with_period=bool(found["cancel_at_period_end"] or found.get("cancel_at")),
    )


def invoice_of(found: Document) -> ProviderInvoice:
    parent = (found.get("parent") or {}).get("subscription_details") or {}
    payments = [entry["payment"] for entry in (found.get("payments") or {}).get("data", [])]
    taxes = found.get("total_taxes")
    return ProviderInvoice(
        id=found["id"],
        subscription_id=id_of(parent.get("subscription")),
        is_paid=found["status"] == "paid",
        is_period=found["billing_reason"] in PERIODS,
        currency=found["currency"],
        amount_minor=found["subtotal"],
        total_minor=found["total"],
        tax_minor=sum(tax["amount"] for tax in taxes) if taxes else None,
        payment_ref=next((id_of(paid.get("payment_intent")) for paid in payments), None),
    )


def event_of(found: Document) -> ProviderEvent:
    """Raises KeyError, TypeError or AttributeError for what is no event."""
    about = found["data"]["object"]
    return ProviderEvent(
        id=str(found["id"]),
        type=str(found["type"]),
        subject=SUBJECTS.get(found["type"]),
        object_id=str(about["id"]),
        checkout_id=(about.get("metadata") or {}).get("checkout_id"),
    )
