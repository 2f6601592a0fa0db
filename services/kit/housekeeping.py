"""Deletes what the kit's tables no longer need: published events, old idempotency keys."""

from datetime import timedelta

from sqlalchemy import delete

from services.kit import outbox
from services.kit.database import Database
from services.kit.periodic import Periodic
from services.kit.tables import IDEMPOTENCY

KEEP_PUBLISHED = timedelta(hours=1)
KEEP_REFUSED = timedelta(days=14)
"""As long as dead letters."""
KEEP_IDEMPOTENCY = timedelta(hours=24)
"""As the public contract promises."""


INTERVAL_SECONDS = 300


class Housekeeping(Periodic):
    """A background task that tidies every few minutes."""

    def __init__(self, database: Database) -> None:
        super().__init__("housekeeping", INTERVAL_SECONDS, self.tidy)
        self._database = database

    def tidy(self) -> None:
        """One round."""
        with self._database.write() as session:
            now = session.now()
            outbox.purge_published(session, KEEP_PUBLISHED)
            outbox.purge_refused(session, KEEP_REFUSED)
            session.execute(delete(IDEMPOTENCY).where(IDEMPOTENCY.c.created_at < now - KEEP_IDEMPOTENCY))
        self._database.drop_remains()
