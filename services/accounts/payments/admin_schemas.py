"""Payments and refunds as admins see them."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from services.accounts.payments.models import Payment, Refund
from services.accounts.payments.refunds import RefundState
from services.accounts.payments.schemas import PaymentView
from services.accounts.payments.totals import Amounts, DayTotals
from services.kit.schemas import Line, RequestBody, Whole


class AccountPayment(PaymentView):
    """A payment, and whose it is."""

    account_id: str
    email: str | None = Field(description="Null where the account was erased.")
    provider_reference: str | None = Field(description="What the provider calls the payment.")

    @classmethod
    def whose(cls, payment: Payment, email: str | None) -> "AccountPayment":
        return cls(
            **PaymentView.of(payment).model_dump(),
            account_id=payment.account_id,
            email=email,
            provider_reference=payment.payment_ref,
        )


class RefundView(BaseModel):
    """Money that is paid back."""

    id: str
    payment_id: str
    amount_minor: int
    currency: str
    reason: str
    by: str = Field(description="The admin who pays back.")
    state: RefundState = Field(
        description="`asked`: the provider has not answered yet, and is asked again. `failed`: the bank refused it."
    )
    created_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, refund: Refund, payment: Payment) -> "RefundView":
        return cls(
            id=refund.id,
            payment_id=payment.id,
            amount_minor=refund.amount_minor,
            currency=payment.currency,
            reason=refund.reason,
            by=refund.actor,
            state=RefundState(refund.state),
            created_at=refund.created_at,
            ended_at=refund.ended_at,
        )


class PaymentWithRefunds(AccountPayment):
    refunds: Sequence[RefundView] = Field(description="By admins here; those made at the provider have none.")

    @classmethod
    def with_refunds(cls, payment: Payment, email: str | None, refunds: Sequence[Refund]) -> "PaymentWithRefunds":
        whose = AccountPayment.whose(payment, email)
        return cls(**whose.model_dump(), refunds=[RefundView.of(refund, payment) for refund in refunds])


class AmountsView(BaseModel):
    """In minor units of the currency."""

    paid_minor: int
    refunded_minor: int
    disputed_minor: int

    @classmethod
    def of(cls, amounts: Amounts) -> "AmountsView":
        return cls(
            paid_minor=amounts.paid_minor,
            refunded_minor=amounts.refunded_minor,
            disputed_minor=amounts.disputed_minor,
        )


class DayTotalsView(BaseModel):
    """What the provider took on one day in one currency, and what has become of it until now."""

    day: date
    currency: str
    agree: bool
    provider: AmountsView
    books: AmountsView

    @classmethod
    def of(cls, totals: DayTotals) -> "DayTotalsView":
        return cls(
            day=totals.day,
            currency=totals.currency,
            agree=totals.agree,
            provider=AmountsView.of(totals.provider),
            books=AmountsView.of(totals.books),
        )


class ProviderTotalsView(BaseModel):
    ok: bool
    days: Sequence[DayTotalsView] = Field(description="Days on which something was paid.")


class NewRefund(RequestBody):
    amount_minor: Annotated[int, Whole(ge=1, le=2**53 - 1)] | None = Field(
        None, description="In minor units of the payment's currency; absent: all that is left of it."
    )
    reason: Annotated[Line, StringConstraints(min_length=1, max_length=200)] = Field(
        description="What the audit log says."
    )
