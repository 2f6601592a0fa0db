"""Buying credits, and what was paid."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Path, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from services.accounts.dependencies import AccountOwner, AccountsDep, BillingReader
from services.accounts.payments import repository as payments
from services.accounts.payments.errors import (
    AlreadySubscribed,
    CheckoutNotFound,
    NoSubscription,
    PaymentNotFound,
    PaymentsOff,
    ProviderNotFound,
    ProviderUnavailable,
    TooManyCheckouts,
    WrongSignature,
)
from services.accounts.payments.receipts import Receipt, pdf
from services.accounts.payments.schemas import (
    CheckoutView,
    NewCheckout,
    PaymentView,
    PortalView,
    ReturnView,
    SubscriptionView,
)
from services.accounts.plans.errors import PriceNotFound
from services.accounts.users import repository as users
from services.kit.database import WriteSession
from services.kit.dependencies import IdempotencyKey
from services.kit.errors import answers
from services.kit.idempotency import IdempotencyConflict, IdempotencyInProgress, idempotent
from services.kit.paging import Limit, PaymentCursor
from services.kit.schemas import EXAMPLE_IDS, CheckoutId, Page, PaymentId, examples
from services.kit.validation import form

router = APIRouter(prefix="/v1/billing", tags=["money"])


@router.post(
    "/checkouts",
    summary="Buy credits",
    status_code=201,
    response_model=CheckoutView,
    responses=answers(
        PriceNotFound,
        PaymentsOff,
        TooManyCheckouts,
        AlreadySubscribed,
        ProviderUnavailable,
        IdempotencyInProgress,
        IdempotencyConflict,
    ),
)
def create_checkout(
    body: Annotated[NewCheckout, Body(openapi_examples=examples({"price_id": EXAMPLE_IDS["prc"]}))],
    accounts: AccountsDep,
    owner: AccountOwner,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Begins a checkout at the payment provider. `url` is where the person pays; afterwards the credits are there. Of a
    plan whose checkout is open already the answer is that one; an open checkout of another plan expires."""

    def create(session: WriteSession) -> str:
        return accounts.payments.begin(session, owner.account_id, body.price_id)

    def respond(checkout_id: str) -> tuple[int, dict[str, Any]]:
        return 201, CheckoutView.of(accounts.payments.open(checkout_id)).model_dump(mode="json")

    # Before anything is noted: who gets no place leaves no checkout behind.
    with accounts.provider_places.one():
        return idempotent(
            accounts.database,
            account_id=owner.account_id,
            key=idempotency_key,
            operation="createCheckout",
            body=body,
            create=create,
            respond=respond,
        )


@router.get("/checkouts/{checkout_id}", summary="Get a checkout", responses=answers(CheckoutNotFound))
def get_checkout(checkout_id: CheckoutId, accounts: AccountsDep, reader: BillingReader) -> CheckoutView:
    """What has become of a checkout."""
    with accounts.database.read() as session:
        return CheckoutView.of(*accounts.payments.checkout(session, reader.account_id, checkout_id))


@router.get(
    "/returns/{checkout_id}",
    summary="See what came of a checkout",
    responses=answers(CheckoutNotFound, ProviderUnavailable),
)
def get_return(checkout_id: CheckoutId, accounts: AccountsDep, response: Response) -> ReturnView:
    """What the page tells that people come back to from paying, which is as good a reason as a webhook to ask the
    provider. Nobody signs in for it, for their session may have ended meanwhile: the address is the secret."""
    response.headers["Cache-Control"] = "no-store"
    return ReturnView.of(accounts.payments.look(checkout_id))


@router.get("/payments", summary="List payments")
def list_payments(
    accounts: AccountsDep, reader: BillingReader, limit: Limit = 20, cursor: PaymentCursor = None
) -> Page[PaymentView]:
    """What the account has paid, newest first."""
    with accounts.database.read() as session:
        found = payments.page(session, reader.account_id, before=cursor, limit=limit + 1)
        return Page(
            items=[PaymentView.of(payment) for payment in found[:limit]],
            next_cursor=found[limit - 1].id if len(found) > limit else None,
        )


@router.get(
    "/payments/{payment_id}/receipt",
    summary="Get a receipt",
    response_class=Response,
    responses={
        200: {"description": "The receipt.", "content": {"application/pdf": {"schema": {"type": "string"}}}},
        **answers(PaymentNotFound),
    },
)
def get_receipt(payment_id: PaymentId, accounts: AccountsDep, reader: BillingReader) -> Response:
    """The receipt of a payment, as PDF."""
    with accounts.database.read() as session:
        payment = accounts.payments.payment(session, reader.account_id, payment_id)
        buyer = users.get(session, reader.account_id)
    receipt = Receipt(
        number=payment.receipt_number,
        paid_at=payment.paid_at,
        buyer=buyer.email if buyer else "",
        item=payment.name,
        credits=payment.credits,
        total_minor=payment.total_minor,
        tax_minor=payment.tax_minor,
        refunded_minor=payment.refunded_minor,
        currency=payment.currency,
        paid_by=payment.provider.capitalize(),
        seller=accounts.payments.terms.seller,
    )
    return Response(
        pdf(receipt),
        media_type="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="receipt-{payment.receipt_number}.pdf"'},
    )


@router.get("/subscription", summary="Get your plan", responses=answers(NoSubscription))
def get_subscription(accounts: AccountsDep, reader: BillingReader) -> SubscriptionView:
    """The monthly plan that the account pays for."""
    with accounts.database.read() as session:
        return SubscriptionView.of(accounts.payments.subscription(session, reader.account_id))


@router.post(
    "/portal",
    summary="Change your plan",
    responses=answers(NoSubscription, PaymentsOff, ProviderUnavailable),
)
def open_portal(accounts: AccountsDep, owner: AccountOwner) -> PortalView:
    """The address of a page at the payment provider, good for some minutes, where the person changes or ends the plan
    and how it is paid."""
    with accounts.database.read() as session:
        subscription = accounts.payments.subscription(session, owner.account_id)
    with accounts.provider_places.one():
        return PortalView(url=accounts.payments.portal(subscription))


_Provider = Annotated[str, Path(pattern=form(r"^[a-z]{1,20}$", "must be the name of a provider"))]


@router.post(
    "/providers/{provider}/webhook",
    summary="Tell of a payment",
    status_code=204,
    responses=answers(ProviderNotFound, WrongSignature, ProviderUnavailable),
    openapi_extra={
        "requestBody": {
            "content": {"application/json": {"schema": {"type": "object"}, "examples": examples({"object": "event"})}}
        }
    },
)
async def receive_webhook(
    provider: _Provider,
    request: Request,
    accounts: AccountsDep,
    signature: Annotated[str | None, Header(alias="Stripe-Signature")] = None,
) -> None:
    """For payment providers only: what is told here is signed by them, and then asked for."""
    # The bytes as they came: the signature is over them.
    body = await request.body()
    await run_in_threadpool(accounts.webhooks.receive, provider, body, signature)
