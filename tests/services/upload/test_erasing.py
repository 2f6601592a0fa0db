"""An erased account leaves no upload, no object and no name of a file, whatever comes late."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from services.kit.database import Database
from services.kit.erasures import AccountGone, Eraser
from services.kit.ids import new_id
from services.kit.storage import StorageUnavailable
from services.upload.erasing import Forgetting
from services.upload.errors import UploadNotFound
from services.upload.models import Base, Upload
from services.upload.prober import Prober
from services.upload.schemas import NewUpload
from services.upload.service import Uploads
from tests.clocks import Clock
from tests.databases import MakeDatabase
from tests.erasing import counts_of, everything_in, hear, publish, receipts
from tests.ids import numbered
from tests.services.upload.asking import hear_order, order, question, row_of
from tests.services.upload.conftest import Parts
from tests.services.upload.songs import wav

pytestmark = pytest.mark.s3

ADA, BOB = numbered("usr", 1), numbered("usr", 2)
NAME = "Ada sings at home.wav"
SONG = wav(0.1)

Erase = Callable[[str], None]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(make_database: MakeDatabase, clock: Clock) -> Database:
    return make_database("upload", clock=clock)


@pytest.fixture
def eraser(parts: Parts) -> Eraser:
    return Eraser(parts.database, Forgetting(parts.database, parts.cleaner))


def sent(uploads: Uploads, account_id: str, *, key: str | None = None) -> str:
    """An upload whose bytes have come and that nobody has checked yet."""
    new = NewUpload(filename=NAME, size_bytes=len(SONG), content_type="audio/wav")
    uploads.create(account_id, new, key)
    upload_id = uploads.list(account_id, cursor=None, limit=1).items[0].id
    uploads.get(account_id, upload_id)
    upload = uploads._own(account_id, upload_id)
    assert upload.multipart_id is not None
    uploads._storage.upload_part(upload.incoming_key, upload.multipart_id, 1, SONG)
    return upload_id


def ready(parts: Parts, account_id: str, *, key: str | None = None) -> str:
    upload_id = sent(parts.uploads, account_id, key=key)
    parts.uploads.complete(account_id, upload_id, None)
    assert parts.validator().check_next()
    assert parts.uploads.get(account_id, upload_id).status == "ready"
    return upload_id


def keys_in(parts: Parts) -> list[str]:
    return [found.key for found in parts.storage.list_objects("")]


@pytest.fixture
def erase(parts: Parts, eraser: Eraser) -> Erase:
    """Tells of the account's erasure and lets the service do what it does."""

    def run(account_id: str) -> None:
        hear(eraser, account_id)
        publish(parts.database)
        assert eraser.erase()

    return run


def test_every_upload_goes_in_whatever_state_with_its_objects_and_its_name(parts: Parts, erase: Erase) -> None:
    kept = ready(parts, BOB)
    ready(parts, ADA, key="k1")
    sent(parts.uploads, ADA, key="k2")
    parts.uploads.create(ADA, NewUpload(filename=NAME, size_bytes=10), None)
    gone = sent(parts.uploads, ADA)
    parts.uploads.delete(ADA, gone)

    erase(ADA)

    [receipt] = receipts(parts.database)
    assert (receipt.service, counts_of(receipt)) == ("upload", {"uploads": 3})
    assert keys_in(parts) == [f"sources/{kept}/original"]
    assert list(parts.storage.open_multiparts("")) == []
    rows = [row for row in everything_in(parts.database, Base.metadata).splitlines() if BOB not in row]
    assert not [row for row in rows if "Ada sings" in row or "audio/wav" in row]
    assert parts.uploads.get(BOB, kept).filename == NAME
    assert parts.uploads.list(ADA, cursor=None, limit=10).items == []


def test_the_tombstones_go_as_well_in_their_time(parts: Parts, erase: Erase, clock: Clock) -> None:
    ready(parts, ADA)
    erase(ADA)
    clock.advance(parts.settings.tombstone_seconds + 1)

    parts.sweeper.sweep()

    with parts.database.read() as session:
        assert session.scalars(select(Upload.id)).all() == []


def test_a_file_that_is_being_checked_does_not_become_ready(parts: Parts, eraser: Eraser) -> None:
    upload_id = sent(parts.uploads, ADA)
    parts.uploads.complete(ADA, upload_id, None)

    class ErasedMeanwhile(Prober):
        def probe(self, file: Any, beat: Any) -> Any:
            hear(eraser, ADA)
            publish(parts.database)
            assert eraser.erase()
            return super().probe(file, beat)

    assert parts.validator(prober=ErasedMeanwhile(parts.settings)).check_next()
    parts.sweeper.sweep()

    assert keys_in(parts) == []
    assert NAME not in everything_in(parts.database, Base.metadata)


def test_bytes_that_come_late_are_thrown_away(parts: Parts, erase: Erase, clock: Clock) -> None:
    upload_id = sent(parts.uploads, ADA)
    erase(ADA)

    with pytest.raises(UploadNotFound):
        parts.uploads.complete(ADA, upload_id, None)
    # A request that was on its way when its upload was erased.
    parts.storage.put_bytes(f"incoming/{upload_id}", SONG, "audio/wav")
    clock.advance(parts.settings.tombstone_seconds + 1)
    parts.sweeper.sweep()

    assert keys_in(parts) == []


def test_a_token_that_is_still_about_begins_no_upload(parts: Parts, erase: Erase) -> None:
    erase(ADA)

    with pytest.raises(AccountGone):
        parts.uploads.create(ADA, NewUpload(filename=NAME, size_bytes=10), "key")

    assert NAME not in everything_in(parts.database, Base.metadata)


def test_while_the_store_is_away_there_is_no_receipt(
    parts: Parts, eraser: Eraser, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(parts, ADA)
    hear(eraser, ADA)
    publish(parts.database)

    def away(_key: str) -> None:
        raise StorageUnavailable

    with monkeypatch.context() as accident:
        accident.setattr(parts.storage, "delete", away)
        assert not eraser.erase()
    assert receipts(parts.database) == []
    assert eraser.erase()
    assert counts_of(receipts(parts.database)[0]) == {"uploads": 1}
    assert keys_in(parts) == []


def test_a_question_about_an_erased_upload_is_answered_without_its_name(parts: Parts, erase: Erase) -> None:
    upload_id = ready(parts, ADA)
    erase(ADA)

    hear_order(parts.database, question(upload_id))

    assert NAME not in everything_in(parts.database, Base.metadata)


def test_nothing_is_fetched_for_who_is_erased(parts: Parts, erase: Erase) -> None:
    erase(ADA)
    upload_id = new_id("upl")

    hear_order(parts.database, order(upload_id, account_id=ADA))

    assert row_of(parts.database, upload_id) is None
