"""Gauges that are computed when they are read, so that none shows what was true before the database went away."""

import logging
import math
import threading
from collections.abc import Callable, Sequence

from prometheus_client import Gauge
from sqlalchemy import select
from sqlalchemy.pool import QueuePool

from services.kit.database import DATABASE_AWAY, Database
from services.kit.tables import OUTBOX

log = logging.getLogger(__name__)

BACKLOG_AGE = Gauge(
    "stemwright_outbox_oldest_unpublished_seconds", "Age of the oldest event that is not published yet."
)
CONNECTIONS = Gauge(
    "stemwright_database_connections", "Connections of this process to its database, by what they do.", ["state"]
)
CONNECTIONS_MAX = Gauge(
    "stemwright_database_connections_limit", "Connections to its database that this process may have."
)


class Measure:
    """Some gauges, and what sets them.

    While they cannot be set they have no value: those with labels none at all, others NaN.
    """

    def __init__(self, gauges: Sequence[Gauge], take: Callable[[], None]) -> None:
        self._gauges = gauges
        self._take = take
        self._taking = threading.Lock()

    def renew(self) -> None:
        """Sets the gauges anew. Blocks as the database does; a round beside another one does nothing."""
        if not self._taking.acquire(blocking=False):
            return
        try:
            self._take()
        except DATABASE_AWAY:
            self.forget()
        except Exception:
            log.exception("a measure could not be taken")
            self.forget()
        finally:
            self._taking.release()

    def forget(self) -> None:
        """Leaves the gauges without a value."""
        for gauge in self._gauges:
            if gauge._labelnames:  # the library has no other way to ask
                gauge.clear()
            else:
                gauge.set(math.nan)


def measures_of(database: Database) -> list[Measure]:
    """What every service with a database tells of it."""

    def backlog() -> None:
        with database.read() as session:
            waiting = select(OUTBOX.c.created_at).where(OUTBOX.c.published_at.is_(None))
            oldest = session.scalar(waiting.order_by(OUTBOX.c.id).limit(1))
            BACKLOG_AGE.set(0 if oldest is None else max(0.0, (session.now() - oldest).total_seconds()))

    def pool() -> None:
        pools = [engine.pool for engine in database.engines if isinstance(engine.pool, QueuePool)]
        CONNECTIONS.labels("in_use").set(sum(pool.checkedout() for pool in pools))
        CONNECTIONS.labels("free").set(sum(pool.checkedin() for pool in pools))
        CONNECTIONS_MAX.set(sum(pool.size() for pool in pools))

    return [Measure([BACKLOG_AGE], backlog), Measure([CONNECTIONS, CONNECTIONS_MAX], pool)]
