"""For admins: what was paid, and paying it back; for operators, whether the provider agrees."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from fastapi.responses import JSONResponse
from pydantic import StringConstraints

from services.accounts.dependencies import AccountsDep, Admin, Operator, OriginDep
from services.accounts.payments import refund_repository as refunds
from services.accounts.payments import repository as payments
from services.accounts.payments.admin_schemas import (
    AccountPayment,
    DayTotalsView,
    NewRefund,
    PaymentWithRefunds,
    ProviderTotalsView,
    RefundView,
)
from services.accounts.payments.errors import (
    PaymentNotFound,
    PaymentsOff,
    ProviderUnavailable,
    RefundRefused,
    RefundTooLarge,
)
from services.accounts.payments.refunds import RefundState
from services.kit.database import WriteSession
from services.kit.dependencies import IdempotencyKey
from services.kit.errors import answers
from services.kit.idempotency import IdempotencyConflict, IdempotencyInProgress, idempotent
from services.kit.paging import Limit, PaymentCursor
from services.kit.schemas import Line, Page, PaymentId, examples

router = APIRouter(prefix="/v1/admin", tags=["operators"])


@router.get("/payments", summary="Find payments")
def find_payments(
    accounts: AccountsDep,
    _admin: Admin,
    query: Annotated[
        Line | None,
        StringConstraints(max_length=255),
        Query(
            description="A part of the buyer's address, or the whole of: a payment's or an account's id, a receipt "
            "number, what the provider calls it. Absent: all."
        ),
    ] = None,
    limit: Limit = 20,
    cursor: PaymentCursor = None,
) -> Page[AccountPayment]:
    """Payments of all accounts, newest first."""
    with accounts.database.read() as session:
        found = refunds.search(session, query, before=cursor, limit=limit + 1)
    shown = [AccountPayment.whose(payment, email) for payment, email in found[:limit]]
    return Page(items=shown, next_cursor=shown[-1].id if len(found) > limit else None)


@router.get("/payments/{payment_id}", summary="Get a payment", responses=answers(PaymentNotFound))
def get_payment(payment_id: PaymentId, accounts: AccountsDep, _admin: Admin) -> PaymentWithRefunds:
    """A payment of any account, with what admins have paid back of it."""
    with accounts.database.read() as session:
        payment = payments.get_payment(session, payment_id)
        if payment is None:
            raise PaymentNotFound
        made = refunds.of_payment(session, payment_id)
        return PaymentWithRefunds.with_refunds(payment, refunds.email_of(session, payment), made)


@router.post(
    "/payments/{payment_id}/refunds",
    summary="Pay a payment back",
    status_code=201,
    response_model=RefundView,
    responses=answers(
        PaymentNotFound,
        PaymentsOff,
        RefundTooLarge,
        RefundRefused,
        ProviderUnavailable,
        IdempotencyInProgress,
        IdempotencyConflict,
    ),
)
def refund_payment(
    payment_id: PaymentId,
    body: Annotated[
        NewRefund,
        Body(openapi_examples=examples({"reason": "Bought twice"}, part={"amount_minor": 100, "reason": "Goodwill"})),
    ],
    accounts: AccountsDep,
    admin: Admin,
    origin: OriginDep,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Has the provider pay back all that is left of a payment, or a part of it, and takes credits back in proportion.
    Where the provider does not answer (503) the refund stays asked for, and is made as soon as it does."""

    def create(session: WriteSession) -> str:
        return accounts.refunds.begin(session, payment_id, body.amount_minor, body.reason, origin, admin.account_id)

    def respond(refund_id: str) -> tuple[int, dict[str, Any]]:
        with accounts.provider_places.one():
            refund, payment = accounts.refunds.carry_out(refund_id)
        if refund.state == RefundState.REFUSED:
            return RefundRefused.status, RefundRefused().problem()
        return 201, RefundView.of(refund, payment).model_dump(mode="json")

    return idempotent(
        accounts.database,
        account_id=admin.account_id,
        key=idempotency_key,
        operation=f"refundPayment {payment_id}",
        body=body,
        create=create,
        respond=respond,
    )


@router.get("/provider-totals", summary="Compare with the payment provider", responses=answers(ProviderUnavailable))
def compare_totals(
    accounts: AccountsDep,
    _operator: Operator,
    days: Annotated[int, Query(ge=1, le=31, description="Whole days (UTC) before today.")] = 3,
) -> ProviderTotalsView:
    """What the payment provider took on each day, and what of it was paid back or disputed until now, beside what our
    books say of the same payments. The last three days are also compared by themselves every night."""
    with accounts.provider_places.one():
        totals = accounts.provider_totals.of_last(days)
    return ProviderTotalsView(ok=all(day.agree for day in totals), days=[DayTotalsView.of(day) for day in totals])
