"""What this service hears: the orchestrator's questions about uploads, and which accounts are erased."""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from services.kit import outbox
from services.kit.database import Database, WriteSession
from services.kit.erasures import Eraser
from services.kit.events.brokers import Brokers
from services.kit.events.codec import Event
from services.kit.events.consumer import Consumer
from services.kit.events.rights import writes_of
from services.kit.events.topics import ACCOUNTS, JOBS_INTERNAL
from services.kit.handling import in_transaction
from services.kit.protos import jobs_pb2
from services.kit.settings import ConsumerGroupSettings
from services.upload import repository
from services.upload.events import news_of, news_of_unknown


def upload_consumer(settings: ConsumerGroupSettings, database: Database, eraser: Eraser) -> Consumer:
    """The background task that reads what this service acts on."""
    return Consumer(
        Brokers.of(settings),
        name="upload-questions",
        group="upload",
        sole=settings.kafka_sole_consumers,
        writes=writes_of("upload"),
        topics=[JOBS_INTERNAL, ACCOUNTS],
        handlers={**UploadQuestions(database).handlers, **eraser.handlers},
    )


class UploadQuestions:
    """Handlers of `jobs.internal.v1`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def handlers(self) -> Mapping[type[Message] | str, Callable[[Event], None]]:
        """Handler of each message type."""
        return {jobs_pb2.UploadStatusRequested: in_transaction(self._database, self.answer)}

    def answer(self, session: WriteSession, event: Event) -> None:
        """Tells the present state of the upload again, every time it is asked: the last answer may have been lost."""
        request: Any = event.data
        upload = repository.find_any(session, request.upload_id)
        outbox.add(session, news_of_unknown(request.upload_id) if upload is None else news_of(upload))
