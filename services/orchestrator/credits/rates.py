"""What a second of sound costs, as accounts told it last.

Accounts owns prices. Its list is told at each change, and again whenever somebody asks: whoever has heard nothing yet
asks, and whoever has not heard for a while asks again, so that a word that the event log lost is made good. Each rate
has the time from which it holds and, once known, to which: what was told to begin later begins at its moment.
"""

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import delete, func, or_, select

from services.kit import outbox
from services.kit.database import Database, ReadSession, WriteSession
from services.kit.events.codec import OutgoingEvent
from services.kit.events.contracts import SEPARATION
from services.kit.events.topics import JOBS_INTERNAL
from services.kit.periodic import Periodic
from services.kit.protos import jobs_pb2, prices_pb2
from services.orchestrator.credits.models import KnownRate
from services.orchestrator.jobs.schemas import Tier

EVERY_MODEL = "*"
FAST: Tier = "fast"
"""The tier in which every model has a rate."""
STALE_AFTER = timedelta(minutes=5)
BACKED_UP_AFTER = timedelta(seconds=10)
"""With events this old in the outbox the event log is away: one question more would only wait behind them."""


def note(session: WriteSession, told: prices_pb2.RatesTold) -> None:
    """Takes the list in place of the one that is known, unless that is newer."""
    session.serialize("rates")
    told_at = _moment(told.told_at)
    known = session.scalar(select(func.max(KnownRate.told_at)))
    if not told.rates or (known is not None and told_at < known):
        return
    session.execute(delete(KnownRate))
    heard_at = session.now()
    session.add_all(
        KnownRate(
            id=rate.rate_id,
            model_name=rate.model,
            tier=rate.tier,
            millicredits_per_second=rate.millicredits_per_second,
            valid_from=_moment(rate.valid_from),
            valid_to=_moment(rate.valid_to) if rate.HasField("valid_to") else None,
            told_at=told_at,
            heard_at=heard_at,
        )
        for rate in {rate.rate_id: rate for rate in told.rates}.values()
    )


def rate_for(session: ReadSession, model: str, tier: Tier, moment: datetime) -> KnownRate | None:
    """The rate that holds at that moment for a model in a tier: its own, else that of every model in the tier, else the
    one of `fast`. None as long as accounts has not told any."""
    return session.scalar(
        select(KnownRate)
        .where(
            KnownRate.model_name.in_((model, EVERY_MODEL)),
            KnownRate.tier.in_((tier, FAST)),
            KnownRate.valid_from <= moment,
            or_(KnownRate.valid_to.is_(None), KnownRate.valid_to > moment),
        )
        .order_by(KnownRate.tier != tier, KnownRate.model_name == EVERY_MODEL, KnownRate.valid_from.desc())
        .limit(1)
    )


def ask(session: WriteSession) -> None:
    """Asks accounts to tell its list."""
    outbox.add(session, OutgoingEvent(JOBS_INTERNAL, SEPARATION, jobs_pb2.RatesRequested(product=SEPARATION)))


class RatesWatch(Periodic):
    """A background task that asks for the list while none is known, and when the last word of it is minutes old."""

    def __init__(self, database: Database, interval_seconds: float) -> None:
        super().__init__("rates-watch", interval_seconds, self.look)
        self._database = database

    def look(self) -> None:
        """One round."""
        with self._database.read() as session:
            heard_at = session.scalar(select(func.max(KnownRate.heard_at)))
            fresh = heard_at is not None and session.now() - heard_at < STALE_AFTER
            if fresh or outbox.backed_up(session, BACKED_UP_AFTER):
                return
        with self._database.write() as session:
            ask(session)


def _moment(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(tzinfo=UTC)
