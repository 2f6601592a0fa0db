"""Several validators, and deletions, at the same time as a check."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from services.kit.storage import StorageUnavailable
from services.upload import repository
from services.upload.errors import StorageQuotaExceeded
from services.upload.schemas import NewUpload
from services.upload.service import Uploads
from tests.clocks import Clock
from tests.ids import numbered
from tests.services.upload.conftest import Events, Parts, at_once
from tests.services.upload.validating import (
    ACCOUNT,
    SONG,
    Scripted,
    clock,
    completed,
    database,
    keys,
    parts,
    state,
)

pytestmark = pytest.mark.s3

__all__ = ["clock", "database", "parts"]


def claimed(parts: Parts, token: str) -> str | None:
    """Whose upload is leased next, to be checked for ever."""
    with parts.database.write() as session:
        upload = repository.claim_validating(
            session, lease_token=token, lease=timedelta(minutes=1), most_of_one_account=2
        )
        return None if upload is None else upload.account_id


def test_accounts_have_their_turns(parts: Parts, clock: Clock) -> None:
    for number in (1, 1, 1, 1, 2, 3, 3):
        completed(parts, account=numbered("usr", number))
        clock.advance(1)

    turns = [claimed(parts, f"token-{number}") for number in range(6)]

    # Two more of the first account wait for its first two.
    assert turns == [*(numbered("usr", number) for number in (1, 2, 3, 1, 3)), None]
    clock.advance(61)
    assert claimed(parts, "later") is not None, "leases that lapsed count no more"


def test_no_account_has_more_than_its_share_however_many_validators_ask_at_once(parts: Parts) -> None:
    for _ in range(6):
        completed(parts)

    claims = at_once(6, lambda number: claimed(parts, f"token-{number}"))

    assert sorted(map(str, claims)) == 4 * ["None"] + 2 * [ACCOUNT]


@pytest.mark.parametrize(("moment", "operation"), [("before", "copy"), ("after", "copy"), ("after", "stream")])
def test_an_upload_deleted_while_it_is_checked_leaves_nothing(
    parts: Parts, events: Events, clock: Clock, moment: str, operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    upload_id = completed(parts)
    storage: Any = Scripted(parts.storage)
    getattr(storage, moment)[operation] = lambda: parts.uploads.delete(ACCOUNT, upload_id)

    parts.validator(storage).check_next()
    clock.advance(parts.settings.retry_seconds + parts.settings.lease_seconds + 1)
    parts.validator().check_next()

    assert events.types(upload_id) == ["UploadDeleted"]
    assert keys(parts) == []
    # Whoever deletes has made no defect of ours.
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_what_a_store_that_is_away_keeps_of_a_deleted_upload_goes_with_the_next_sweep(parts: Parts) -> None:
    upload_id = completed(parts)
    storage: Any = Scripted(parts.storage)

    def away() -> None:
        raise StorageUnavailable

    def delete_while_the_store_still_copies() -> None:
        parts.uploads.delete(ACCOUNT, upload_id)
        parts.storage.put_bytes(f"sources/{upload_id}/original", SONG, "audio/wav")
        for operation in ("abort_multipart", "delete", "delete_prefix"):
            storage.before[operation] = away

    storage.after["copy"] = delete_while_the_store_still_copies
    parts.validator(storage).check_next()
    assert keys(parts) == [f"sources/{upload_id}/original"]

    parts.sweeper.sweep()

    assert keys(parts) == []


def test_a_validator_that_slept_does_not_overrule_its_successor(parts: Parts, events: Events, clock: Clock) -> None:
    upload_id = completed(parts)
    storage: Any = Scripted(parts.storage)

    def sleep_through() -> None:
        clock.advance(parts.settings.lease_seconds + 1)
        assert parts.validator().check_next()

    storage.before["copy"] = sleep_through

    parts.validator(storage).check_next()

    assert events.types(upload_id) == ["UploadReady"]
    assert keys(parts) == [f"sources/{upload_id}/original"]


def test_a_stopping_validator_gives_the_upload_back_at_once(parts: Parts) -> None:
    upload_id = completed(parts)
    stopping = parts.validator()
    stopping._leases.stop.set()

    stopping.check_next()

    assert state(parts, upload_id).status == "validating"
    assert parts.validator().check_next(), "without waiting for the lease"
    assert state(parts, upload_id).status == "ready"


def test_validators_at_once_share_the_work(parts: Parts, events: Events) -> None:
    uploads = [completed(parts) for _ in range(6)]

    def work(_: int) -> int:
        validator, done = parts.validator(), 0
        while validator.check_next():
            done += 1
        return done

    assert sum(at_once(3, work)) == 6
    for upload_id in uploads:
        assert state(parts, upload_id).status == "ready"
        assert events.types(upload_id) == ["UploadReady"]


def test_uploads_made_at_once_stay_within_what_the_account_may_keep(parts: Parts) -> None:
    settings = parts.settings.model_copy(update={"max_stored_bytes_per_account": 35})
    uploads = Uploads(
        parts.database,
        parts.storage,
        settings,
        cleaner=parts.cleaner,
        work_signal=parts.work_signal,
        source_signal=parts.source_signal,
        status_signals=parts.status_signals,
    )

    def create(_: int) -> bool:
        try:
            uploads.create(ACCOUNT, NewUpload(filename="a.wav", size_bytes=10), None)
        except StorageQuotaExceeded:
            return False
        return True

    assert sum(at_once(8, create)) == 3
