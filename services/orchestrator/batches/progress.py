"""What happens to a batch because something happened to its songs.

Whoever changes songs has locked them; the batch is locked after them, so that of songs which end at the same moment one
is the last.
"""

from datetime import timedelta

from services.kit import outbox
from services.kit.database import WriteSession
from services.kit.events.codec import OutgoingEvent
from services.kit.events.topics import JOBS_EVENTS, JOBS_INTERNAL
from services.kit.ids import new_id
from services.kit.telemetry import use_traceparent
from services.orchestrator.batches import repository
from services.orchestrator.batches.messages import completed_event, hold_request
from services.orchestrator.batches.models import Batch
from services.orchestrator.batches.schemas import SongCounts
from services.orchestrator.batches.states import FINAL, Status, end_of
from services.orchestrator.settings import Settings
from services.orchestrator.signals import Signals

COMPLETED = "batch.completed"
MAX_DOUBLINGS = 16


class BatchProgress:
    """Works inside the caller's transaction."""

    def __init__(self, settings: Settings, signals: Signals) -> None:
        self._settings = settings
        self._signals = signals

    def look(self, session: WriteSession, batch_id: str) -> None:
        """A song is priced, or has ended: asks for the hold once all are priced, and ends the batch with the last."""
        batch = repository.locked(session, batch_id)
        if batch is None or batch.state in FINAL:
            return
        if not repository.anything_open(session, batch_id):
            self._complete(session, batch)
        elif batch.state is Status.RESERVING and batch.ask_at is None:
            self._ask_for_hold(session, batch)

    def ask_again(self, session: WriteSession, batch: Batch) -> None:
        """What was asked or told was not answered, or may be lost."""
        batch.asked_times += 1
        if batch.state is Status.RESERVING:
            self._ask_for_hold(session, batch)
        elif batch.state in FINAL:
            self._tell(session, batch)
            # When accounts has heard how every song ended, so has who reads the same topic.
            if not repository.anything_unsettled(session, batch.id):
                batch.ask_at = None
        else:
            batch.ask_at = None

    def note_held(self, session: WriteSession, batch: Batch) -> None:
        """The prices are held."""
        batch.status, batch.queued_at = Status.RUNNING, session.now()
        batch.ask_at, batch.asked_times = None, 0
        session.after_commit(self._signals.job_changed)

    def note_refused(self, batch: Batch, code: str, message: str) -> None:
        """The prices could not be held; every song is about to end."""
        batch.error_code, batch.error_message = code, message[:500]

    def _ask_for_hold(self, session: WriteSession, batch: Batch) -> None:
        if repository.anything_unpriced(session, batch.id):
            batch.ask_at = None
            return
        message = hold_request(session, batch)
        batch.price_credits = sum(share.price_credits for share in message.shares)
        self._ask_later(session, batch)
        with use_traceparent(batch.traceparent):
            outbox.add(session, OutgoingEvent(JOBS_INTERNAL, batch.id, message, account_id=batch.account_id))

    def _complete(self, session: WriteSession, batch: Batch) -> None:
        batch.status = end_of(refused=batch.error_code is not None, canceled=batch.canceled_at is not None)
        batch.finished_at = session.now()
        batch.counts = SongCounts.model_validate(repository.counts(session, batch.id)).model_dump()
        batch.charged_credits = repository.charged(session, batch.id)
        batch.event_id, batch.asked_times = new_id("evt"), 0
        self._tell(session, batch)
        session.after_commit(self._signals.job_changed)

    def _tell(self, session: WriteSession, batch: Batch) -> None:
        self._ask_later(session, batch)
        data = completed_event(session, batch)
        with use_traceparent(batch.traceparent):
            outbox.add(
                session,
                OutgoingEvent(JOBS_EVENTS, batch.account_id, data, type=COMPLETED, subject=batch.id, id=batch.event_id),
            )

    def _ask_later(self, session: WriteSession, batch: Batch) -> None:
        doubled = self._settings.ask_again_seconds * 2 ** min(batch.asked_times, MAX_DOUBLINGS)
        batch.ask_at = session.now() + timedelta(seconds=min(doubled, self._settings.ask_again_limit_seconds))
