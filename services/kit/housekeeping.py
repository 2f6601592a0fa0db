"""Deletes what the kit's tables no longer need: published events, old inbox rows, old idempotency keys."""

import logging
import threading
from datetime import timedelta

from sqlalchemy import delete
from sqlalchemy.exc import SQLAlchemyError

from services.kit import outbox
from services.kit.database import Database
from services.kit.tables import IDEMPOTENCY, INBOX

log = logging.getLogger(__name__)

KEEP_PUBLISHED = timedelta(hours=1)
KEEP_INBOX = timedelta(days=8)
"""One day more than any topic keeps an event that could be read again."""
KEEP_IDEMPOTENCY = timedelta(hours=24)
"""As the public contract promises."""


class Housekeeping:
    """A background task that tidies every few minutes."""

    name = "housekeeping"

    def __init__(self, database: Database, *, interval_seconds: float = 300) -> None:
        self._database = database
        self._interval_seconds = interval_seconds

    def run(self, stop: threading.Event) -> None:
        """Tidies until told to stop."""
        while not stop.wait(self._interval_seconds):
            try:
                self.tidy()
            except SQLAlchemyError as error:
                log.warning("housekeeping put off: %s", error)

    def tidy(self) -> None:
        """One round."""
        with self._database.write() as session:
            now = session.now()
            outbox.purge_published(session, KEEP_PUBLISHED)
            session.execute(delete(INBOX).where(INBOX.c.received_at < now - KEEP_INBOX))
            session.execute(delete(IDEMPOTENCY).where(IDEMPOTENCY.c.created_at < now - KEEP_IDEMPOTENCY))
