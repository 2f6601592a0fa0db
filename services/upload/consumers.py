"""What this service hears: the orchestrator's questions about uploads, and which accounts are erased."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from google.protobuf.message import Message

from services.kit import outbox
from services.kit.database import Database, WriteSession
from services.kit.erasures import Eraser, is_erased
from services.kit.events.brokers import Brokers
from services.kit.events.codec import Event
from services.kit.events.consumer import Consumer
from services.kit.events.rights import writes_of
from services.kit.events.topics import ACCOUNTS, JOBS_INTERNAL
from services.kit.handling import in_transaction
from services.kit.protos import jobs_pb2
from services.upload import repository
from services.upload.events import news_of, news_of_unknown
from services.upload.places import Places
from services.upload.settings import Settings
from services.upload.signals import WorkSignal


def upload_consumer(settings: Settings, database: Database, eraser: Eraser, source_signal: WorkSignal) -> Consumer:
    """The background task that reads what this service acts on."""
    return Consumer(
        Brokers.of(settings),
        name="upload-questions",
        group="upload",
        sole=settings.kafka_sole_consumers,
        writes=writes_of("upload"),
        topics=[JOBS_INTERNAL, ACCOUNTS],
        handlers={**UploadQuestions(database, settings, source_signal).handlers, **eraser.handlers},
    )


class UploadQuestions:
    """Handlers of `jobs.internal.v1`."""

    def __init__(self, database: Database, settings: Settings, source_signal: WorkSignal) -> None:
        self._database = database
        self._places = Places(settings)
        self._source_signal = source_signal
        self._remembered = timedelta(seconds=settings.tombstone_seconds)

    @property
    def handlers(self) -> Mapping[type[Message] | str, Callable[[Event], None]]:
        """Handler of each message type."""
        return {
            jobs_pb2.UploadStatusRequested: in_transaction(self._database, self.answer),
            jobs_pb2.UploadFetchRequested: in_transaction(self._database, self.fetch),
        }

    def answer(self, session: WriteSession, event: Event) -> None:
        """Tells the present state of the upload again, every time it is asked: the last answer may have been lost."""
        request: Any = event.data
        upload = repository.find_any(session, request.upload_id)
        outbox.add(session, news_of_unknown(request.upload_id) if upload is None else news_of(upload))

    def fetch(self, session: WriteSession, event: Event) -> None:
        """Takes the order to fetch a song, once, and tells what has become of it, every time. One that was rejected and
        not kept is looked at anew."""
        request: Any = event.data
        upload = repository.find_any(session, request.upload_id)
        if upload is None:
            if is_erased(session, request.account_id) or event.time < session.now() - self._remembered:
                # An old order, heard again, may be about an upload that was deleted and is not remembered any more.
                # Who still waits for an answer asks anew.
                return
            upload = self._places.take_order(session, request.upload_id, request.account_id, request.source_url)
            session.after_commit(self._source_signal.notify)
        outbox.add(session, news_of(upload))
