"""What may be done with prices. Accounts is their one owner."""

from dataclasses import dataclass
from datetime import datetime

from services.accounts.plans import repository as prices
from services.accounts.plans.errors import PriceInThePast, PriceNeeded, PriceNotFound, TooManyRates
from services.accounts.plans.models import Price, PriceKind
from services.accounts.plans.news import tell_rates
from services.accounts.plans.rates import FALLBACK
from services.kit.database import ReadSession, WriteSession
from services.kit.events.contracts import MAX_RATES
from services.kit.ids import new_id

RATES_MAX = MAX_RATES // 2
"""Rates by model and tier that may hold or are to: they are told in one message, with those that ended lately."""


@dataclass(frozen=True)
class NewPrice:
    """A version of a price that is to be. A pack or plan has credits, amount and currency, a rate its millicredits."""

    kind: PriceKind
    code: str
    name: str
    credits: int | None = None
    amount_minor: int | None = None
    currency: str | None = None
    rate_millicredits: int | None = None
    valid_from: datetime | None = None


def known(session: ReadSession, price_id: str) -> Price:
    """The price with this id, in force or not. Raises PriceNotFound."""
    price = prices.get(session, price_id)
    if price is None:
        raise PriceNotFound
    return price


def on_sale(session: ReadSession, price_id: str) -> Price:
    """The pack or plan that can be bought under this id now. Raises PriceNotFound, also for one that is over."""
    price = known(session, price_id)
    now = session.now()
    over = price.valid_to is not None and price.valid_to <= now
    if price.kind == PriceKind.RATE or price.valid_from > now or over:
        raise PriceNotFound
    return price


def set_price(session: WriteSession, new: NewPrice) -> Price:
    """Puts a price into force, from now or its `valid_from` on, in place of whatever was to hold then.

    Whoever computes with rates is told. Raises PriceInThePast, TooManyRates.
    """
    session.serialize("prices")
    now = session.now()
    begins = new.valid_from or now
    if begins < now:
        raise PriceInThePast
    if new.kind is PriceKind.RATE and len(prices.codes_of_rates(session, now) | {new.code}) > RATES_MAX:
        raise TooManyRates
    prices.end(session, new.kind, new.code, begins)
    price = Price(
        id=new_id("prc"),
        kind=new.kind,
        code=new.code,
        name=new.name,
        credits=new.credits,
        amount_minor=new.amount_minor,
        currency=new.currency,
        rate_millicredits=new.rate_millicredits,
        valid_from=begins,
        valid_to=None,
        created_at=now,
    )
    session.add(price)
    session.flush()
    if new.kind is PriceKind.RATE:
        tell_rates(session)
    return price


def withdraw(session: WriteSession, price_id: str) -> bool:
    """Ends a price without a successor; False where it had ended before. The rate of a model or tier gives way to the
    one that counts for every.

    Raises PriceNotFound, and PriceNeeded for the rate that every job without another one is priced by.
    """
    session.serialize("prices")
    price = known(session, price_id)
    now = session.now()
    if price.valid_to is not None and price.valid_to <= now:
        return False
    if price.code == FALLBACK:
        raise PriceNeeded
    price.valid_to = max(price.valid_from, now)
    session.flush()
    if price.kind == PriceKind.RATE:
        tell_rates(session)
    return True
