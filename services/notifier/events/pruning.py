"""Deletes events, and deliveries of events, that were kept long enough, and most of those that nobody reads."""

from datetime import timedelta

from services.kit.database import Database
from services.kit.periodic import Periodic
from services.notifier.deliveries import repository as deliveries
from services.notifier.endpoints import repository as endpoints
from services.notifier.events import repository as events

INTERVAL_SECONDS = 300
BATCH = 1000
MOST_UNREAD = 1000
"""Events that are kept of an account which nobody reads: anybody may have an account, and orders that cost nothing."""


class Pruner(Periodic):
    """A background task. Events go in the order in which they were recorded, so what is left has no gap either."""

    def __init__(self, database: Database, *, kept: timedelta) -> None:
        super().__init__("event-pruning", INTERVAL_SECONDS, self.prune)
        self._database = database
        self._kept = kept

    def prune(self) -> None:
        """One round, in transactions that no recorder has to wait long for."""
        for rows in (deliveries, events):
            deleted = BATCH
            while deleted == BATCH:
                with self._database.write() as session:
                    deleted = rows.prune(session, session.now() - self._kept, limit=BATCH)
        with self._database.read() as session:
            crowded = events.crowded(session, MOST_UNREAD, session.now() - self._kept)
        for account_id, sequence in crowded:
            deleted = BATCH
            while deleted == BATCH:
                with self._database.write() as session:
                    deleted = events.delete_up_to(session, account_id, sequence, limit=BATCH)
        with self._database.write() as session:
            endpoints.delete_idle_callbacks(session, session.now() - self._kept)
