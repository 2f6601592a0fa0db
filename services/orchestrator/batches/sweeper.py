"""What does not happen by itself to batches: questions that were not answered, cancellations that were cut short."""

import logging
from collections.abc import Callable
from datetime import timedelta

from prometheus_client import Counter

from services.kit import outbox
from services.kit.database import DATABASE_AWAY, Database
from services.kit.periodic import Periodic
from services.orchestrator.batches import repository
from services.orchestrator.batches.service import Batches
from services.orchestrator.jobs.lifecycle import Lifecycle
from services.orchestrator.settings import Settings

log = logging.getLogger(__name__)

FAILED = Counter("stemwright_batch_sweeps_failed_total", "Batches that could not be seen to because of a defect.")
BACKED_UP_AFTER = timedelta(seconds=10)
"""With events this old in the outbox the event log is away: one question more would only wait behind them."""


class BatchSweeper(Periodic):
    """A background task. Consumers and requests go on beside it: a batch is locked and looked at again."""

    def __init__(self, database: Database, settings: Settings, lifecycle: Lifecycle, batches: Batches) -> None:
        super().__init__("batch-sweeper", settings.sweep_seconds, self.sweep)
        self._database = database
        self._lifecycle = lifecycle
        self._batches = batches

    def sweep(self) -> None:
        """One round."""
        with self._database.read() as session:
            now = session.now()
            to_ask = [] if outbox.backed_up(session, BACKED_UP_AFTER) else repository.to_ask_ids(session, now)
            to_cancel = repository.to_cancel_ids(session)
        for batch_id in to_cancel:
            self._see_to(batch_id, self._batches.cancel_songs)
        for batch_id in to_ask:
            self._see_to(batch_id, self._ask_again)

    @staticmethod
    def _see_to(batch_id: str, action: Callable[[str], None]) -> None:
        """One that trips us must not keep the others from ending."""
        try:
            action(batch_id)
        except DATABASE_AWAY:
            raise
        except Exception:
            FAILED.inc()
            log.exception("%s could not be seen to", batch_id)

    def _ask_again(self, batch_id: str) -> None:
        with self._database.write() as session:
            batch = repository.locked(session, batch_id)
            if batch is not None and batch.ask_at is not None and batch.ask_at <= session.now():
                self._lifecycle.batches.ask_again(session, batch)
