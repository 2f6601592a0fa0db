"""For admins: what came in during the last hour, day or week, in the steps that the overview has."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import func, select

from services.accounts.dependencies import AccountsDep, Admin
from services.accounts.payments.models import Payment
from services.kit.database import ReadSession
from services.kit.spans import Span, edges_of, step_of

router = APIRouter(prefix="/v1/admin", tags=["operators"])


class CurrencyRevenue(BaseModel):
    """In one currency, by step."""

    currency: str
    paid_minor: list[int] = Field(description="With taxes, in the smallest unit of the currency.")
    refunded_minor: list[int] = Field(description="What of that was paid back or disputed since.")


class RevenueView(BaseModel):
    span: Span
    step_seconds: int
    begins: list[datetime] = Field(description="Of each step; the last one is not over yet.")
    currencies: list[CurrencyRevenue] = Field(description="Those in which anything was paid.")


@router.get("/revenue", summary="See what came in")
def get_revenue(
    accounts: AccountsDep,
    _admin: Admin,
    span: Annotated[Span, Query(description="How far back, from now.")] = Span.DAY,
) -> RevenueView:
    """Payments by the time at which they were made."""
    with accounts.database.read() as session:
        edges = edges_of(span, session.now())
        currencies = _by_currency(session, edges)
    return RevenueView(
        span=span,
        step_seconds=int((edges[1] - edges[0]).total_seconds()),
        begins=edges[:-1],
        currencies=currencies,
    )


def _by_currency(session: ReadSession, edges: list[datetime]) -> list[CurrencyRevenue]:
    paid = (
        select(
            step_of(Payment.paid_at, edges).label("step"), Payment.currency, Payment.total_minor, Payment.refunded_minor
        )
        .where(Payment.paid_at >= edges[0], Payment.paid_at < edges[-1])
        .subquery()
    )
    query = (
        select(
            paid.c.currency,
            paid.c.step,
            func.sum(paid.c.total_minor).label("paid"),
            func.sum(paid.c.refunded_minor).label("refunded"),
        )
        .group_by(paid.c.currency, paid.c.step)
        .order_by(paid.c.currency)
    )
    found: dict[str, CurrencyRevenue] = {}
    for row in session.execute(query):
        steps = len(edges) - 1
        of = found.setdefault(
            row.currency, CurrencyRevenue(currency=row.currency, paid_minor=[0] * steps, refunded_minor=[0] * steps)
        )
        of.paid_minor[row.step], of.refunded_minor[row.step] = int(row.paid), int(row.refunded)
    return list(found.values())
