"""What the orchestrator asks the upload service."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.kit.database import Database
from services.kit.events.codec import Event
from services.kit.events.topics import JOBS_INTERNAL
from services.kit.ids import new_id
from services.kit.protos import jobs_pb2
from services.upload import repository
from services.upload.consumers import UploadQuestions
from services.upload.models import Upload
from services.upload.settings import Settings
from services.upload.signals import WorkSignal
from tests.ids import numbered

ADA = numbered("usr", 1)
URL = "https://music.partner.com/My%20song.flac?key=secret"


def question(upload_id: str) -> Event:
    """What became of an upload?"""
    return _event(jobs_pb2.UploadStatusRequested(upload_id=upload_id))


def order(upload_id: str, *, account_id: str = ADA, url: str = URL, ago: timedelta = timedelta()) -> Event:
    """A song of a batch is to be fetched."""
    message = jobs_pb2.UploadFetchRequested(upload_id=upload_id, account_id=account_id, source_url=url)
    return _event(message, ago=ago)


def _event(message: Any, *, ago: timedelta = timedelta()) -> Event:
    return Event(
        id=new_id("evt"),
        type=message.DESCRIPTOR.full_name,
        source="/stemwright/orchestrator",
        subject=None,
        time=datetime.now(UTC) - ago,
        traceparent=None,
        topic=JOBS_INTERNAL.name,
        partition=0,
        offset=0,
        key=message.upload_id,
        data=message,
        account_id=None,
    )


def hear_order(database: Database, event: Event, source_signal: WorkSignal | None = None, **changes: Any) -> None:
    """The service hears it, with some settings of its own."""
    settings = Settings(database_url="sqlite:///unused.db", **changes)
    questions = UploadQuestions(database, settings, source_signal or WorkSignal())
    questions.handlers[type(event.data)](event)


def row_of(database: Database, upload_id: str) -> Upload | None:
    with database.read() as session:
        return repository.find_any(session, upload_id)
