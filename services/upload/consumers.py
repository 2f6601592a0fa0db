"""Answers the orchestrator's questions about uploads."""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from services.kit import outbox
from services.kit.database import Database, WriteSession
from services.kit.events.codec import Event
from services.kit.handling import in_transaction
from services.kit.protos import jobs_pb2
from services.upload import repository
from services.upload.events import news_of, news_of_unknown


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
