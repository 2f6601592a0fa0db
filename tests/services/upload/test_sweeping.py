"""What is cleaned up after uploads that nobody finished, and after deleted ones."""

from datetime import UTC, datetime, timedelta

import pytest

from services.kit.database import Database
from services.kit.storage import MultipartNotFound, StorageUnavailable
from services.upload import cleaning, repository
from services.upload.cleaning import Cleaner
from services.upload.schemas import NewUpload
from tests.clocks import Clock
from tests.databases import MakeDatabase
from tests.ids import numbered
from tests.services.upload.conftest import Events, Parts

pytestmark = pytest.mark.s3

ACCOUNT = numbered("usr", 1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(make_database: MakeDatabase, clock: Clock) -> Database:
    return make_database("upload", clock=clock)


def create(parts: Parts) -> str:
    parts.uploads.create(ACCOUNT, NewUpload(filename="a.wav", size_bytes=10), None)
    return parts.uploads.list(ACCOUNT, cursor=None, limit=1).items[0].id


def test_an_upload_that_nobody_finishes_expires(parts: Parts, events: Events, clock: Clock) -> None:
    old = create(parts)
    upload = parts.uploads._own(ACCOUNT, old)
    assert upload.multipart_id is not None
    parts.storage.upload_part(upload.incoming_key, upload.multipart_id, 1, b"12345")
    clock.advance(parts.settings.pending_seconds - 10)
    young = create(parts)
    parts.sweeper.sweep()
    assert parts.uploads.get(ACCOUNT, old).status == "pending"

    clock.advance(11)
    parts.sweeper.sweep()
    parts.sweeper.sweep()

    view = parts.uploads.get(ACCOUNT, old)
    assert (view.status, view.code) == ("rejected", "upload_expired")
    assert events.types(old) == ["UploadCreated", "UploadRejected"]
    with pytest.raises(MultipartNotFound):
        parts.storage.list_parts(upload.incoming_key, upload.multipart_id)
    assert parts.uploads.get(ACCOUNT, young).status == "pending"
    assert parts.uploads.complete(ACCOUNT, old, None).status == "rejected"


def test_what_the_store_did_not_let_us_remove_is_removed_later(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    upload_id = create(parts)
    parts.storage.put_bytes(f"incoming/{upload_id}", b"x", "x/y")

    def away(_key: str) -> None:
        raise StorageUnavailable

    with monkeypatch.context() as accident:
        accident.setattr(parts.storage, "delete", away)
        parts.uploads.delete(ACCOUNT, upload_id)
    assert parts.storage.head(f"incoming/{upload_id}") is not None

    parts.sweeper.sweep()

    assert parts.storage.head(f"incoming/{upload_id}") is None


def test_a_deleted_upload_is_forgotten_after_one_more_look(parts: Parts, clock: Clock) -> None:
    upload_id = create(parts)
    parts.uploads.delete(ACCOUNT, upload_id)
    with parts.database.read() as session:
        tombstone = repository.find_any(session, upload_id)
    assert tombstone is not None
    assert tombstone.filename == "", "what the person called it goes at once"
    parts.storage.put_bytes(f"sources/{upload_id}/original", b"late", "x/y")

    parts.sweeper.sweep()
    clock.advance(parts.settings.tombstone_seconds + 1)
    parts.sweeper.sweep()

    assert parts.storage.head(f"sources/{upload_id}/original") is None
    with parts.database.read() as session:
        assert repository.find_any(session, upload_id) is None


def test_a_round_comes_to_the_end_of_what_is_due(parts: Parts, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who makes and deletes uploads would else be quicker than what forgets them."""
    monkeypatch.setattr(cleaning, "BATCH", 2)
    deleted, pending = [create(parts) for _ in range(5)], [create(parts) for _ in range(5)]
    for upload_id in deleted:
        parts.uploads.delete(ACCOUNT, upload_id)
    parts.sweeper.sweep()
    clock.advance(max(parts.settings.tombstone_seconds, parts.settings.pending_seconds) + 1)
    parts.sweeper.sweep()
    with parts.database.read() as session:
        assert [repository.find_any(session, upload_id) for upload_id in deleted] == [None] * 5
    assert {parts.uploads.get(ACCOUNT, upload_id).code for upload_id in pending} == {"upload_expired"}


def test_parts_that_nobody_knows_are_thrown_away_once_they_are_old(parts: Parts, clock: Clock) -> None:
    """A process that ends between the store's answer and its own note leaves such."""
    known = parts.uploads._own(ACCOUNT, create(parts))
    assert known.multipart_id is not None
    unknown = parts.storage.create_multipart("stems/job_x/1/vocals.flac", "audio/flac")
    clock.now = datetime.now(UTC) + timedelta(seconds=parts.settings.pending_seconds - 60)
    parts.sweeper.abort_unknown_multiparts()
    assert parts.storage.list_parts("stems/job_x/1/vocals.flac", unknown) == []

    clock.advance(120)
    parts.sweeper.abort_unknown_multiparts()

    with pytest.raises(MultipartNotFound):
        parts.storage.list_parts("stems/job_x/1/vocals.flac", unknown)
    assert parts.storage.list_parts(known.incoming_key, known.multipart_id) == [], "what is still waited for stays"


def test_cleaning_is_repeatable(parts: Parts) -> None:
    upload_id = create(parts)
    parts.uploads.delete(ACCOUNT, upload_id)
    with parts.database.read() as session:
        upload = repository.find_any(session, upload_id)
    assert upload is not None

    for _ in range(2):
        assert Cleaner(parts.database, parts.storage).clean(upload)
