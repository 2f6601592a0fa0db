"""Requests and answers about payments."""

from datetime import datetime

from pydantic import BaseModel, Field

from services.accounts.payments.models import Checkout, Payment, Subscription
from services.accounts.payments.providers import SubscriptionState
from services.accounts.payments.service import CheckoutStatus
from services.kit.schemas import PriceId, RequestBody


class NewCheckout(RequestBody):
    price_id: PriceId


class CheckoutView(BaseModel):
    """One visit to the cashier."""

    id: str
    status: CheckoutStatus = Field(description="`paid`, `failed` and `expired` are final.")
    url: str | None = Field(description="Where the person pays, while that is possible.")
    price_id: str
    name: str
    amount_minor: int = Field(description="In minor units of the currency, such as cents.")
    currency: str = Field(description="ISO 4217, lower case.")
    credits: int
    payment_id: str | None = Field(description="What came of it, once it is paid.")
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, checkout: Checkout, payment: Payment | None = None) -> "CheckoutView":
        return cls(
            id=checkout.id,
            status=CheckoutStatus(checkout.status),
            url=checkout.url,
            price_id=checkout.price_id,
            name=checkout.name,
            amount_minor=checkout.amount_minor,
            currency=checkout.currency,
            credits=checkout.credits,
            payment_id=payment.id if payment else None,
            created_at=checkout.created_at,
            expires_at=checkout.expires_at,
        )


class ReturnView(BaseModel):
    """What has become of a checkout, for whoever comes back from it."""

    status: CheckoutStatus = Field(description="`paid`, `failed` and `expired` are final.")
    name: str
    url: str | None = Field(description="Where the person pays, while that is possible.")

    @classmethod
    def of(cls, checkout: Checkout) -> "ReturnView":
        return cls(status=CheckoutStatus(checkout.status), name=checkout.name, url=checkout.url)


class PaymentView(BaseModel):
    """Money that came in, and what of it was paid back."""

    id: str
    name: str
    amount_minor: int = Field(description="What was paid, taxes included, in minor units of the currency.")
    tax_minor: int
    refunded_minor: int
    currency: str = Field(description="ISO 4217, lower case.")
    credits: int
    returned_credits: int = Field(description="Credits that were taken back when money was.")
    disputed: bool = Field(description="The bank has taken the money back, or is about to.")
    provider: str
    receipt_number: str
    receipt_url: str
    paid_at: datetime

    @classmethod
    def of(cls, payment: Payment) -> "PaymentView":
        return cls(
            id=payment.id,
            name=payment.name,
            amount_minor=payment.total_minor,
            tax_minor=payment.tax_minor,
            refunded_minor=payment.refunded_minor,
            currency=payment.currency,
            credits=payment.credits,
            returned_credits=payment.returned_credits,
            disputed=payment.disputed,
            provider=payment.provider,
            receipt_number=payment.receipt_number,
            receipt_url=f"/v1/billing/payments/{payment.id}/receipt",
            paid_at=payment.paid_at,
        )


class SubscriptionView(BaseModel):
    """A monthly plan."""

    plan: str
    name: str
    state: SubscriptionState = Field(
        description="`overdue`: a renewal was not paid and is tried again; the plan counts until `grace_until`."
    )
    price_id: str
    amount_minor: int
    currency: str
    credits_per_month: int
    period_ends_at: datetime
    ends_with_period: bool = Field(description="It was ended, and is not renewed.")
    grace_until: datetime | None

    @classmethod
    def of(cls, subscription: Subscription) -> "SubscriptionView":
        return cls(
            plan=subscription.plan,
            name=subscription.name,
            state=SubscriptionState(subscription.state),
            price_id=subscription.price_id,
            amount_minor=subscription.amount_minor,
            currency=subscription.currency,
            credits_per_month=subscription.credits,
            period_ends_at=subscription.period_ends_at,
            ends_with_period=subscription.ends_with_period,
            grace_until=subscription.grace_until,
        )


class PortalView(BaseModel):
    url: str
