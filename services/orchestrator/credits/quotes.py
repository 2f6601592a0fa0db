"""Quotes are kept, and bind until they expire: a job of the same upload, mode, tier and model costs what was
quoted. What is deducted in one for a preview is deducted once: by the first job.

There is one for what is ordered at a time, so whoever asks again is shown the one that stands, or a lower one. Only the
owner of an upload is ever quoted for it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete

from services.kit.database import ReadSession, WriteSession
from services.orchestrator.credits import preview_credits
from services.orchestrator.credits.models import StandingQuote
from services.orchestrator.credits.pricing import price_credits
from services.orchestrator.credits.rates import rate_for
from services.orchestrator.jobs.schemas import Mode, Tier
from services.orchestrator.uploads.models import KnownUpload


class RateUnknown(Exception):
    """Accounts has not told yet what a second costs."""


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


def give(session: WriteSession, order: Order, lifetime: timedelta) -> tuple[Price, datetime]:
    """The quote that stands and until when, which is `lifetime` from now on while the price is still the same; a lower
    price takes its place. Raises RateUnknown."""
    preview_credits.serialize(session, order.upload.id)
    quote = _standing(session, order)
    now = session.now()
    price = _price(session, order, now)
    if quote is None or price.credits < _bound(session, order, quote).credits:
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
    given = _bound(session, order, quote)
    quote.preview_credit_credits = given.preview_credit_credits
    if given.credits == price.credits:
        quote.expires_at = now + lifetime
    session.flush()
    return given, quote.expires_at


def price_of(session: WriteSession, order: Order, ordered_at: datetime) -> Price:
    """What a job costs that was made at that moment: what was quoted, while that stands; less where a preview has
    succeeded since. Until the transaction ends nobody else prices the upload. Raises RateUnknown."""
    preview_credits.serialize(session, order.upload.id)
    quote = _standing(session, order)
    return _price(session, order, ordered_at) if quote is None else _bound(session, order, quote)


def forget(session: WriteSession) -> None:
    """Deletes quotes that have expired."""
    session.execute(delete(StandingQuote).where(StandingQuote.expires_at <= session.now()))


def _price(session: ReadSession, order: Order, moment: datetime) -> Price:
    if order.mode == "preview":
        return Price(full_credits=0)
    rate = rate_for(session, order.model, order.tier, moment)
    if rate is None:
        raise RateUnknown
    full = price_credits(order.upload.duration_seconds or 0.0, rate.millicredits_per_second)
    worth = preview_credits.worth_of(session, order.upload.id)
    return Price(
        full,
        _deduction(full, worth.seconds, rate.millicredits_per_second),
        rate_id=rate.id,
        millicredits_per_second=rate.millicredits_per_second,
    )


def _bound(session: ReadSession, order: Order, quote: StandingQuote) -> Price:
    """The price that a standing quote binds us to. A deduction that a job has had meanwhile is in it no more."""
    full, rate = quote.price_credits, quote.millicredits_per_second
    worth = preview_credits.worth_of(session, order.upload.id)
    deduction = 0
    if order.mode == "full" and rate is not None and not worth.taken:
        deduction = max(quote.preview_credit_credits, _deduction(full, worth.seconds, rate))
    return Price(full, deduction, rate_id=quote.rate_id, millicredits_per_second=rate)


def _deduction(full_credits: int, seconds: float, millicredits_per_second: int) -> int:
    """What the seconds of a preview are worth; a credit is left to pay, for only previews are free."""
    return min(full_credits - 1, price_credits(seconds, millicredits_per_second)) if seconds else 0


def _standing(session: ReadSession, order: Order) -> StandingQuote | None:
    key = (order.upload.id, order.mode, order.ordered_model, order.tier)
    quote = session.get(StandingQuote, key, populate_existing=True)
    return quote if quote is not None and quote.expires_at > session.now() else None


def _same(order: Order):  # type: ignore[no-untyped-def]  # the type of conditions is SQLAlchemy's affair
    return (
        StandingQuote.upload_id == order.upload.id,
        StandingQuote.mode == order.mode,
        StandingQuote.model_name == order.ordered_model,
        StandingQuote.tier == order.tier,
    )
