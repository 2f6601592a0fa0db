"""Prices: for everybody to read, for administrators to set."""

from typing import Annotated

from fastapi import APIRouter, Body, Response
from fastapi.responses import JSONResponse

from services.accounts.dependencies import AccountsDep, Admin, OriginDep
from services.accounts.plans import repository as prices
from services.accounts.plans import service
from services.accounts.plans.errors import PriceInThePast, PriceNeeded, PriceNotFound, TooManyRates
from services.accounts.plans.models import PriceKind
from services.accounts.plans.schemas import (
    NewPriceBody,
    PackView,
    PlanView,
    PricesView,
    PriceVersion,
    RateView,
    new_price,
)
from services.accounts.security_events import service as security_events
from services.accounts.security_events.kinds import Kind
from services.kit.database import WriteSession
from services.kit.dependencies import IdempotencyKey
from services.kit.errors import answers
from services.kit.idempotency import Answer, IdempotencyConflict, IdempotencyInProgress, idempotent
from services.kit.paging import Limit, PriceCursor
from services.kit.schemas import Page, PriceId, examples

router = APIRouter()

_PACK = {
    "kind": "pack",
    "code": "five-hours",
    "name": "Five hours",
    "credits": 18_000,
    "amount_minor": 1990,
    "currency": "eur",
}
_PLAN = {**_PACK, "kind": "plan", "code": "monthly", "name": "Ten hours a month", "credits": 36_000}
_RATE = {"kind": "rate", "name": "A second of sound", "model": "*", "tier": "fast", "millicredits_per_second": 1000}
_NEW = Body(openapi_examples=examples(_PACK, plan=_PLAN, rate=_RATE))


@router.get("/v1/billing/prices", summary="See what things cost", tags=["money"])
def list_prices(accounts: AccountsDep) -> PricesView:
    """Packs of credits, plans, and what a second of sound costs. Needs no sign-in."""
    with accounts.database.read() as session:
        found = prices.in_force(session, session.now())
    of_kind = {kind: [price for price in found if price.kind == kind] for kind in PriceKind}
    return PricesView(
        packs=[
            PackView(
                id=price.id,
                code=price.code,
                name=price.name,
                credits=price.credits or 0,
                amount_minor=price.amount_minor or 0,
                currency=price.currency or "",
            )
            for price in of_kind[PriceKind.PACK]
        ],
        plans=[
            PlanView(
                id=price.id,
                code=price.code,
                name=price.name,
                credits_per_month=price.credits or 0,
                previews_per_day=accounts.policy.previews(price.code),
                amount_minor=price.amount_minor or 0,
                currency=price.currency or "",
            )
            for price in of_kind[PriceKind.PLAN]
        ],
        rates=[RateView.of(price) for price in of_kind[PriceKind.RATE]],
        previews_per_day=accounts.policy.previews(accounts.policy.default_plan),
    )


@router.get("/v1/admin/prices", summary="List all prices there were", tags=["operators"])
def list_price_versions(
    accounts: AccountsDep, _admin: Admin, limit: Limit = 50, cursor: PriceCursor = None
) -> Page[PriceVersion]:
    """Every version of every price, past ones and those to come, the last set first."""
    with accounts.database.read() as session:
        found = prices.page(session, before=cursor, limit=limit + 1)
        shown = [PriceVersion.of(price) for price in found[:limit]]
    return Page(items=shown, next_cursor=shown[-1].id if len(found) > limit else None)


@router.post(
    "/v1/admin/prices",
    summary="Set a price",
    status_code=201,
    tags=["operators"],
    response_model=PriceVersion,
    responses=answers(PriceInThePast, TooManyRates, IdempotencyConflict, IdempotencyInProgress),
)
def set_price(
    accounts: AccountsDep,
    admin: Admin,
    origin: OriginDep,
    body: Annotated[NewPriceBody, _NEW],
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Puts a price into force, now or from `valid_from` on. It takes the place of the one with the same `kind` and
    `code` (of a rate: the same model and tier), which what was sold or quoted before keeps."""

    def create(session: WriteSession) -> str:
        price = service.set_price(session, new_price(body))
        security_events.add(
            session,
            None,
            Kind.PRICE_SET,
            origin,
            actor=admin.account_id,
            price=price.id,
            code=f"{price.kind} {price.code}",
        )
        return price.id

    def answer(price_id: str) -> Answer:
        with accounts.database.read() as session:
            return 201, PriceVersion.of(service.known(session, price_id)).model_dump(mode="json")

    return idempotent(
        accounts.database,
        account_id=admin.account_id,
        key=idempotency_key,
        operation="setPrice",
        body=body,
        create=create,
        respond=answer,
    )


@router.delete(
    "/v1/admin/prices/{price_id}",
    summary="Withdraw a price",
    status_code=204,
    response_class=Response,
    tags=["operators"],
    responses=answers(PriceNotFound, PriceNeeded),
)
def withdraw_price(accounts: AccountsDep, admin: Admin, origin: OriginDep, price_id: PriceId) -> None:
    """It is not sold any more. What was sold stays sold. A model without a rate of its own costs what every model does;
    the rate of every model cannot be withdrawn, only replaced."""
    with accounts.database.write() as session:
        if service.withdraw(session, price_id):
            security_events.add(session, None, Kind.PRICE_WITHDRAWN, origin, actor=admin.account_id, price=price_id)
