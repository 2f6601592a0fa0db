"""Questions about uploads are answered every time, and songs of batches are taken in once."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from services.kit.database import Database
from services.kit.ids import new_id
from services.upload import repository
from services.upload.models import Upload
from services.upload.signals import WorkSignal
from tests.ids import numbered
from tests.services.upload.asking import ADA, URL, hear_order, order, question, row_of
from tests.services.upload.conftest import Events

FACTS = {"sha256": "0" * 64, "duration_seconds": 1.0, "samples": 8000, "sample_rate_hz": 8000, "channels": 1}


def insert(database: Database, status: str) -> str:
    upload_id = new_id("upl")
    with database.write() as session:
        session.add(
            Upload(
                id=upload_id,
                account_id=ADA,
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
    same = question(upload_id)

    for asked in (same, same, question(upload_id)):
        hear_order(database, asked)

    assert events.types(upload_id) == [answer] * 3
    assert len({event.id for event in events.all(upload_id)}) == 3
    assert {event.data.account_id for event in events.all(upload_id)} == {ADA}


def test_an_unknown_upload_is_a_deleted_one_of_nobody(database: Database, events: Events) -> None:
    hear_order(database, question(numbered("upl", 9)))

    (event,) = events.all(numbered("upl", 9))
    assert event.type.endswith("UploadDeleted")
    assert event.data.account_id == ""


def test_a_song_of_a_batch_is_taken_in_once_however_often_it_is_ordered(database: Database, events: Events) -> None:
    upload_id, signal = new_id("upl"), WorkSignal()
    same = order(upload_id)

    for heard in (same, same, order(upload_id)):
        hear_order(database, heard, signal)

    row = row_of(database, upload_id)
    assert row is not None
    assert (row.status, row.account_id, row.source_url, row.filename) == ("pending", ADA, URL, "My song.flac")
    assert signal.wait(0), "a fetcher is woken"
    assert events.types(upload_id) == ["UploadCreated"] * 3
    assert {event.data.account_id for event in events.all(upload_id)} == {ADA}


def test_songs_of_batches_are_not_among_those_that_an_account_may_have_waiting(
    database: Database, events: Events
) -> None:
    ids = [numbered("upl", number) for number in range(3)]
    for upload_id in ids:
        hear_order(database, order(upload_id), max_pending_per_account=1)

    assert [events.types(upload_id) for upload_id in ids] == [["UploadCreated"]] * 3
    with database.read() as session:
        assert repository.count_pending(session, ADA) == 0


@pytest.mark.parametrize(
    ("url", "changes", "code"),
    [
        ("https://127.0.0.1/a.flac", {}, "source_not_allowed"),
        (URL, {"fetchers": 0}, "source_not_allowed"),
        (URL, {"max_ready_uploads_per_account": 1}, "storage_quota_exceeded"),
    ],
)
def test_what_cannot_be_fetched_or_kept_is_rejected_with_its_reason(
    database: Database, events: Events, url: str, changes: dict[str, Any], code: str
) -> None:
    insert(database, "ready")
    upload_id = new_id("upl")

    for _ in range(2):
        hear_order(database, order(upload_id, url=url), **changes)

    assert events.types(upload_id) == ["UploadRejected"] * 2
    told = events.all(upload_id)[0].data
    assert (told.code, bool(told.reason)) == (code, True)
    row = row_of(database, upload_id)
    assert row is not None
    assert "secret" not in (row.source_url or "")


@pytest.mark.parametrize(
    ("url", "code"),
    [("https://127.0.0.1/a.flac", "source_not_allowed"), (URL, "storage_quota_exceeded")],
)
def test_of_songs_that_are_rejected_no_more_are_kept_than_an_account_may_have(
    database: Database, events: Events, url: str, code: str
) -> None:
    insert(database, "ready")
    insert(database, "rejected")
    ids = [new_id("upl") for _ in range(5)]

    for upload_id in ids * 2:
        hear_order(database, order(upload_id, url=url), max_uploads_per_account=2)

    with database.read() as session:
        assert repository.usage(session, ADA).uploads == 2
    for upload_id in ids:
        told = events.all(upload_id)
        assert {(event.data.code, event.data.account_id, bool(event.data.reason)) for event in told} == {
            (code, ADA, True)
        }
        assert events.types(upload_id) == ["UploadRejected"] * 2
        hear_order(database, question(upload_id))
        assert events.types(upload_id)[-1] == "UploadDeleted"


def test_a_song_that_was_not_kept_is_taken_where_it_is_ordered_again_and_there_is_room(
    database: Database, events: Events
) -> None:
    kept, upload_id = insert(database, "rejected"), new_id("upl")
    hear_order(database, order(upload_id), max_uploads_per_account=1)
    with database.write() as session:
        session.execute(update(Upload).where(Upload.id == kept).values(status="deleted"))

    hear_order(database, order(upload_id), max_uploads_per_account=1)

    assert events.types(upload_id) == ["UploadRejected", "UploadCreated"]
    assert row_of(database, upload_id) is not None


def test_an_order_from_before_what_is_remembered_brings_nothing_back(database: Database, events: Events) -> None:
    upload_id = new_id("upl")
    hear_order(database, order(upload_id, ago=timedelta(hours=2)), tombstone_seconds=3600)
    assert row_of(database, upload_id) is None
    assert events.all(upload_id) == []

    hear_order(database, order(upload_id, ago=timedelta(minutes=30)), tombstone_seconds=3600)
    assert events.types(upload_id) == ["UploadCreated"]
