"""What the others are told of prices."""

from datetime import datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from services.accounts.plans import repository as prices
from services.accounts.plans.models import Price
from services.accounts.plans.rates import model_and_tier
from services.kit import outbox
from services.kit.database import WriteSession
from services.kit.events.codec import OutgoingEvent
from services.kit.events.contracts import SEPARATION
from services.kit.events.topics import PRICES
from services.kit.protos import prices_pb2

TOLD_AFTER_THE_END = timedelta(days=2)
"""Longer than a job may wait for its song, and with it for its price."""


def tell_rates(session: WriteSession) -> None:
    """Publishes the whole list of rates with the caller's transaction: what was lost is made good by the next word."""
    # Of two who tell at once, the later has the later list.
    session.serialize("prices")
    now = session.now()
    message = prices_pb2.RatesTold(
        product=SEPARATION,
        rates=[_rate(price) for price in prices.rates_since(session, now - TOLD_AFTER_THE_END)],
        told_at=_timestamp(now),
    )
    outbox.add(session, OutgoingEvent(PRICES, key=SEPARATION, data=message, subject=SEPARATION))


def _rate(price: Price) -> prices_pb2.Rate:
    model, tier = model_and_tier(price.code)
    return prices_pb2.Rate(
        rate_id=price.id,
        model=model,
        tier=tier,
        millicredits_per_second=price.rate_millicredits,
        valid_from=_timestamp(price.valid_from),
        valid_to=None if price.valid_to is None else _timestamp(price.valid_to),
    )


def _timestamp(moment: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
