"""Quotes are kept, and bind until they expire: a job of the same upload, mode, tier and model costs what was
quoted. What is deducted in one for a preview is deducted once: by the first job.

There is one for what is ordered at a time, so whoever asks again is shown the one that stands, or a lower one. Only the
owner of an upload is ever quoted for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from services.kit.database import ReadSession, WriteSession
from services.orchestrator.credits import preview_credits
from services.orchestrator.credits.models import KnownRate, StandingQuote
from services.orchestrator.credits.pricing import price_credits
from services.orchestrator.credits.rates import rate_for
from services.orchestrator.jobs.models import Job
from services.orchestrator.jobs.schemas import Mode, Tier
from services.orchestrator.uploads.models import KnownUpload


class RateUnknown(Exception):
    """Accounts has not told yet what a second costs."""


NOTHING = preview_credits.Deductible(0.0, taken=False)


@dataclass(frozen=True)
class Order:
    """What is to be separated, as far as its price depends on it."""

    upload: KnownUpload
    mode: Mode
    tier: Tier
    ordered_model: str
    """Empty where the order names none."""
    model: str
    """The one that would be used."""


@dataclass(frozen=True)
class Price:
    """What an order costs: its song by a version of the rate, less what a preview of it is worth. A preview itself is
    free and has no rate."""

    full_credits: int
    preview_credit_credits: int = 0
    rate_id: str | None = None
    millicredits_per_second: int | None = None

    @property
    def credits(self) -> int:
        return self.full_credits - self.preview_credit_credits


FREE = Price(full_credits=0)


def order_of(job: Job, upload: KnownUpload) -> Order:
    """What a job of this upload is, to whoever prices it."""
    mode: Mode = "preview" if job.mode == "preview" else "full"
    tier: Tier = "relaxed" if job.tier == "relaxed" else "fast"
    return Order(upload, mode, tier, job.model_name if job.model_ordered else "", job.model_name)


def give(session: WriteSession, order: Order, lifetime: timedelta) -> tuple[Price, datetime]:
    """The quote that stands and until when, which is `lifetime` from now on while the price is still the same; a lower
    price takes its place. Raises RateUnknown."""
    preview_credits.serialize(session, order.upload.id)
    quote = _standing(session, order)
    now = session.now()
    deductible = preview_credits.deductible_of(session, order.upload.id)
    price = _price(order, rate_for(session, order.model, order.tier, now), deductible)
    if quote is None or price.credits < _bound(order, quote, deductible).credits:
        session.execute(delete(StandingQuote).where(*_same(order)))
        quote = StandingQuote(
            upload_id=order.upload.id,
            mode=order.mode,
            model_name=order.ordered_model,
            tier=order.tier,
            price_credits=price.full_credits,
            preview_credit_credits=price.preview_credit_credits,
            rate_id=price.rate_id,
            millicredits_per_second=price.millicredits_per_second,
            expires_at=now + lifetime,
        )
        session.add(quote)
    given = _bound(order, quote, deductible)
    quote.preview_credit_credits = given.preview_credit_credits
    if given.credits == price.credits:
        quote.expires_at = now + lifetime
    session.flush()
    return given, quote.expires_at


def price_of(session: WriteSession, order: Order, ordered_at: datetime) -> Price:
    """What a job costs that was made at that moment: what was quoted, while that stands; less where a preview has
    succeeded since. Until the transaction ends nobody else prices the upload. Raises RateUnknown."""
    preview_credits.serialize(session, order.upload.id)
    quote, deductible = _standing(session, order), preview_credits.deductible_of(session, order.upload.id)
    if quote is not None:
        return _bound(order, quote, deductible)
    return _price(order, rate_for(session, order.model, order.tier, ordered_at), deductible)


def prices_of(session: WriteSession, orders: Sequence[Order], ordered_at: datetime) -> list[Price]:
    """The same of many orders, in some statements for all of them. Raises RateUnknown."""
    upload_ids = {order.upload.id for order in orders}
    deductibles = preview_credits.locked_deductibles(session, upload_ids)
    found = select(StandingQuote).where(StandingQuote.upload_id.in_(upload_ids))
    standing = {
        (quote.upload_id, quote.mode, quote.model_name, quote.tier): quote
        for quote in session.scalars(found.where(StandingQuote.expires_at > session.now()))
    }
    rates = {(order.model, order.tier): None for order in orders}
    known = {key: rate_for(session, *key, ordered_at) for key in rates}
    prices = []
    for order in orders:
        deductible = deductibles.get(order.upload.id, NOTHING)
        quote = standing.get(_key(order))
        if quote is not None:
            price = _bound(order, quote, deductible)
        else:
            price = _price(order, known[order.model, order.tier], deductible)
        if price.preview_credit_credits:
            # Deducted once, though a song may be named twice.
            deductibles[order.upload.id] = preview_credits.Deductible(0.0, taken=True)
        prices.append(price)
    return prices


def forget(session: WriteSession) -> None:
    """Deletes quotes that have expired."""
    session.execute(delete(StandingQuote).where(StandingQuote.expires_at <= session.now()))


def _price(order: Order, rate: KnownRate | None, deductible: preview_credits.Deductible) -> Price:
    if order.mode == "preview":
        return FREE
    if rate is None:
        raise RateUnknown
    full = price_credits(order.upload.duration_seconds or 0.0, rate.millicredits_per_second)
    return Price(
        full,
        _deduction(full, deductible.seconds, rate.millicredits_per_second),
        rate_id=rate.id,
        millicredits_per_second=rate.millicredits_per_second,
    )


def _bound(order: Order, quote: StandingQuote, deductible: preview_credits.Deductible) -> Price:
    """The price that a standing quote binds us to. A deduction that a job has had meanwhile is in it no more."""
    full, rate = quote.price_credits, quote.millicredits_per_second
    deduction = 0
    if order.mode == "full" and rate is not None and not deductible.taken:
        deduction = max(quote.preview_credit_credits, _deduction(full, deductible.seconds, rate))
    return Price(full, deduction, rate_id=quote.rate_id, millicredits_per_second=rate)


def _deduction(full_credits: int, seconds: float, millicredits_per_second: int) -> int:
    """What the seconds of a preview are worth; a credit is left to pay, for only previews are free."""
    return min(full_credits - 1, price_credits(seconds, millicredits_per_second)) if seconds else 0


def _standing(session: ReadSession, order: Order) -> StandingQuote | None:
    quote = session.get(StandingQuote, _key(order), populate_existing=True)
    return quote if quote is not None and quote.expires_at > session.now() else None


def _key(order: Order) -> tuple[str, str, str, str]:
    return order.upload.id, order.mode, order.ordered_model, order.tier


def _same(order: Order):  # type: ignore[no-untyped-def]  # the type of conditions is SQLAlchemy's affair
    return (
        StandingQuote.upload_id == order.upload.id,
        StandingQuote.mode == order.mode,
        StandingQuote.model_name == order.ordered_model,
        StandingQuote.tier == order.tier,
    )
