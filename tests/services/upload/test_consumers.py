"""Questions about uploads are answered every time."""

from datetime import UTC, datetime

import pytest

from services.kit.database import Database
from services.kit.events.codec import Event
from services.kit.events.topics import JOBS_INTERNAL
from services.kit.ids import new_id
from services.kit.protos import jobs_pb2
from services.upload.consumers import UploadQuestions
from services.upload.models import Upload
from tests.ids import numbered
from tests.services.upload.conftest import Events


def question(upload_id: str) -> Event:
    return Event(
        id=new_id("evt"),
        type="stemwright.events.v1.UploadStatusRequested",
        source="/stemwright/orchestrator",
        subject=None,
        time=datetime.now(UTC),
        traceparent=None,
        topic=JOBS_INTERNAL.name,
        partition=0,
        offset=0,
        key=upload_id,
        data=jobs_pb2.UploadStatusRequested(upload_id=upload_id),
        account_id=None,
    )


FACTS = {"sha256": "0" * 64, "duration_seconds": 1.0, "samples": 8000, "sample_rate_hz": 8000, "channels": 1}


def insert(database: Database, status: str) -> str:
    upload_id = new_id("upl")
    with database.write() as session:
        session.add(
            Upload(
                id=upload_id,
                account_id=numbered("usr", 1),
                status=status,
                created_at=session.now(),
                filename="a.wav",
                size_bytes=1,
                part_bytes=1,
                litter=False,
                attempts=0,
                code="audio_empty" if status == "rejected" else None,
                reason="The file is empty." if status == "rejected" else None,
                **(FACTS if status == "ready" else {}),
            )
        )
    return upload_id


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        ("pending", "UploadCreated"),
        ("validating", "UploadCreated"),
        ("ready", "UploadReady"),
        ("rejected", "UploadRejected"),
        ("deleted", "UploadDeleted"),
    ],
)
def test_the_answer_tells_the_present_state_each_time(
    database: Database, events: Events, status: str, answer: str
) -> None:
    upload_id = insert(database, status)
    handler = UploadQuestions(database).handlers[jobs_pb2.UploadStatusRequested]
    same = question(upload_id)

    for asked in (same, same, question(upload_id)):
        handler(asked)

    assert events.types(upload_id) == [answer] * 3
    assert len({event.id for event in events.all(upload_id)}) == 3
    assert {event.data.account_id for event in events.all(upload_id)} == {numbered("usr", 1)}


def test_an_unknown_upload_is_a_deleted_one_of_nobody(database: Database, events: Events) -> None:
    UploadQuestions(database).handlers[jobs_pb2.UploadStatusRequested](question(numbered("upl", 9)))

    (event,) = events.all(numbered("upl", 9))
    assert event.type.endswith("UploadDeleted")
    assert event.data.account_id == ""
