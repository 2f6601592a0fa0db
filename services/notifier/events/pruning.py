"""Deletes events, and deliveries of events, that were kept long enough."""

from datetime import timedelta

from services.kit.database import Database
from services.kit.periodic import Periodic
from services.notifier.deliveries import repository as deliveries
from services.notifier.endpoints import repository as endpoints
from services.notifier.events import repository as events

INTERVAL_SECONDS = 300
BATCH = 1000


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
        with self._database.write() as session:
            endpoints.delete_idle_callbacks(session, session.now() - self._kept)
