"""Validators: what happens when one dies between two steps, when the store or the disk fails, when the upload goes."""

import errno
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.kit.database import Database
from services.kit.ids import new_id
from services.kit.storage import ObjectStorage, Part, S3Storage, StorageUnavailable
from services.upload import repository
from services.upload.errors import StorageQuotaExceeded
from services.upload.models import Upload
from services.upload.parts import plan
from services.upload.prober import AudioFacts, ProbeFailed, Prober, Rejection
from services.upload.schemas import NewUpload, UploadView
from services.upload.service import Uploads
from services.upload.validation import Validator
from tests.databases import MakeDatabase
from tests.ids import numbered
from tests.object_store import running_object_store
from tests.services.upload import songs
from tests.services.upload.conftest import Events, Parts, at_once, sha256

pytestmark = pytest.mark.s3

ACCOUNT = numbered("usr", 1)
SONG = songs.wav()


class Clock:
    """The database's clock, moved by hand."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(make_database: MakeDatabase, clock: Clock) -> Database:
    return make_database("upload", clock=clock)


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours handles it."""


class Scripted:
    """The real store, with an accident before or after one of its operations."""

    def __init__(self, storage: ObjectStorage) -> None:
        self._storage = storage
        self.before: dict[str, Callable[[], None]] = {}
        self.after: dict[str, Callable[[], None]] = {}

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._storage, name)

        def scripted(*args: Any, **kwargs: Any) -> Any:
            self.before.pop(name, lambda: None)()
            result = operation(*args, **kwargs)
            self.after.pop(name, lambda: None)()
            return result

        return scripted


def kill() -> None:
    raise Killed


def completed(parts: Parts, data: bytes = SONG, *, account: str = ACCOUNT, **fields: Any) -> str:
    """An upload that waits for its verdict."""
    with parts.database.write() as session:
        upload = Upload(
            id=new_id("upl"),
            account_id=account,
            status="pending",
            created_at=session.now(),
            filename="song.wav",
            size_bytes=len(data),
            part_bytes=plan(len(data), 1).part_bytes,
            litter=False,
            attempts=0,
            **fields,
        )
        session.add(upload)
    bound = parts.uploads.begin_transfer(account, upload.id, len(data))
    assert bound.multipart_id is not None
    etag = parts.storage.upload_part(bound.incoming_key, bound.multipart_id, 1, data)
    sent = [Part(1, etag, len(data))]
    view = parts.uploads.hand_over(account, upload.id, multipart_id=bound.multipart_id, parts=sent)
    assert view.status == "validating"
    return upload.id


def state(parts: Parts, upload_id: str) -> UploadView:
    return parts.uploads.get(ACCOUNT, upload_id)


def keys(parts: Parts) -> list[str]:
    return [found.key for found in parts.storage.list_objects("")]


STEPS = [
    ("before", "complete_multipart"),
    ("after", "complete_multipart"),
    ("after", "head"),
    ("before", "stream"),
    ("before", "copy"),
    ("after", "copy"),
    ("before", "delete"),
    ("after", "delete"),
]


@pytest.mark.parametrize(("moment", "operation"), STEPS)
def test_a_validator_that_is_killed_is_succeeded(
    parts: Parts, events: Events, clock: Clock, moment: str, operation: str
) -> None:
    upload_id = completed(parts)
    storage: Any = Scripted(parts.storage)
    getattr(storage, moment)[operation] = kill
    with pytest.raises(Killed):
        parts.validator(storage).check_next()

    successor = parts.validator()
    if state(parts, upload_id).status == "validating":
        assert not successor.check_next(), "the lease still stands"
        clock.forward(parts.settings.lease_seconds + 1)
        assert successor.check_next()
    parts.sweeper.sweep()

    assert state(parts, upload_id).status == "ready"
    assert keys(parts) == [f"sources/{upload_id}/original"]
    assert b"".join(parts.storage.stream(keys(parts)[0])) == SONG
    assert events.types(upload_id) == ["UploadReady"]


def test_a_file_that_kills_its_validators_is_rejected_in_the_end(parts: Parts, events: Events, clock: Clock) -> None:
    upload_id = completed(parts)
    for _ in range(parts.settings.max_attempts):
        storage: Any = Scripted(parts.storage)
        storage.before["copy"] = kill
        with pytest.raises(Killed):
            parts.validator(storage).check_next()
        clock.forward(parts.settings.lease_seconds + 1)

    assert parts.validator().check_next()

    assert (state(parts, upload_id).status, state(parts, upload_id).code) == ("rejected", "upload_not_checked")
    assert events.types(upload_id) == ["UploadRejected"]
    assert keys(parts) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("operation", ["complete_multipart", "head", "stream", "copy"])
def test_a_store_that_is_away_is_waited_for(parts: Parts, clock: Clock, operation: str) -> None:
    upload_id = completed(parts)

    def away() -> None:
        raise StorageUnavailable

    for _ in range(parts.settings.max_attempts + 3):
        storage: Any = Scripted(parts.storage)
        storage.before[operation] = away
        assert parts.validator(storage).check_next()
        assert not parts.validator().check_next(), "not before the pause is over"
        clock.forward(parts.settings.retry_seconds + 1)

    assert parts.validator().check_next()
    assert state(parts, upload_id).status == "ready", "the file is not to blame, however often"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_full_disk_is_waited_out(parts: Parts, clock: Clock) -> None:
    upload_id = completed(parts)

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    storage: Any = Scripted(parts.storage)
    storage.before["stream"] = full
    parts.validator(storage).check_next()
    assert state(parts, upload_id).status == "validating"

    clock.forward(parts.settings.retry_seconds + 1)
    parts.validator().check_next()
    assert state(parts, upload_id).status == "ready"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_truncated_answer_of_the_store_is_not_a_verdict(parts: Parts, clock: Clock) -> None:
    upload_id = completed(parts)

    class Short(Scripted):
        def stream(self, key: str) -> Iterator[bytes]:
            yield b"".join(parts.storage.stream(key))[:1000]

    storage: Any = Short(parts.storage)
    parts.validator(storage).check_next()
    assert state(parts, upload_id).status == "validating"

    clock.forward(parts.settings.retry_seconds + 1)
    parts.validator().check_next()
    assert state(parts, upload_id).status == "ready"


class Corrupting(Scripted):
    """The real store, of which the `number`-th reading has one wrong byte."""

    def __init__(self, storage: ObjectStorage, number: int) -> None:
        super().__init__(storage)
        self._left = number

    def stream(self, key: str) -> Iterator[bytes]:
        self._left -= 1
        data = bytearray(b"".join(self._storage.stream(key)))
        if self._left == 0:
            data[1000] ^= 1
        yield bytes(data)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("declared", [None, sha256(SONG)])
def test_bytes_that_change_on_their_way_give_no_verdict(
    parts: Parts, events: Events, clock: Clock, number: int, declared: str | None
) -> None:
    upload_id = completed(parts, declared_sha256=declared)
    storage: Any = Corrupting(parts.storage, number)
    parts.validator(storage).check_next()
    assert state(parts, upload_id).status == "validating"

    clock.forward(parts.settings.retry_seconds + 1)
    parts.validator(storage).check_next()

    assert (state(parts, upload_id).status, state(parts, upload_id).sha256) == ("ready", sha256(SONG))
    assert [event.data.sha256 for event in events.all(upload_id)] == [sha256(SONG)]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_good_file_is_not_rejected_for_bytes_that_changed_on_their_way(parts: Parts, clock: Clock) -> None:
    upload_id = completed(parts)

    class Destroying(Corrupting):
        def stream(self, key: str) -> Iterator[bytes]:
            self._left -= 1
            yield SONG if self._left else bytes(len(SONG))

    storage: Any = Destroying(parts.storage, 1)
    parts.validator(storage).check_next()
    assert state(parts, upload_id).status == "validating"

    clock.forward(parts.settings.retry_seconds + 1)
    parts.validator(storage).check_next()
    assert state(parts, upload_id).status == "ready"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_store_that_always_changes_bytes_is_not_asked_for_ever(parts: Parts, clock: Clock) -> None:
    upload_id = completed(parts)
    for _ in range(parts.settings.max_attempts):
        storage: Any = Corrupting(parts.storage, 1)
        parts.validator(storage).check_next()
        clock.forward(parts.settings.retry_seconds + 1)
    parts.validator().check_next()

    assert state(parts, upload_id).code == "upload_not_checked"


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
        clock.forward(1)

    turns = [claimed(parts, f"token-{number}") for number in range(6)]

    # Two more of the first account wait for its first two.
    assert turns == [*(numbered("usr", number) for number in (1, 2, 3, 1, 3)), None]
    clock.forward(61)
    assert claimed(parts, "later") is not None, "leases that lapsed count no more"


def test_no_account_has_more_than_its_share_however_many_validators_ask_at_once(parts: Parts) -> None:
    for _ in range(6):
        completed(parts)

    claims = at_once(6, lambda number: claimed(parts, f"token-{number}"))

    assert sorted(map(str, claims)) == 4 * ["None"] + 2 * [ACCOUNT]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_store_that_forgets_the_parts_is_survived(parts: Parts, events: Events, tmp_path: Path) -> None:
    with running_object_store(tmp_path / "own-store") as store:
        storage: Any = Scripted(parts.storage)
        storage._storage = store.new_bucket()
        parts.uploads._storage = parts.cleaner._storage = parts.storage = storage
        upload_id = completed(parts)
        store.kill()
        store.start()
        parts.validator().check_next()

        assert (state(parts, upload_id).status, state(parts, upload_id).code) == ("rejected", "upload_lost")
        assert events.types(upload_id) == ["UploadRejected"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_pending_parts_that_the_store_forgot_are_asked_for_again(parts: Parts, tmp_path: Path) -> None:
    with running_object_store(tmp_path / "own-store") as store:
        storage: Any = store.new_bucket()
        parts.uploads._storage = storage
        parts.uploads.create(ACCOUNT, NewUpload(filename="a.wav", size_bytes=len(SONG)), None)
        (created,) = parts.uploads.list(ACCOUNT, cursor=None, limit=10).items
        first = parts.uploads.get(ACCOUNT, created.id).parts[0].url
        store.kill()
        store.start()

        again = parts.uploads.get(ACCOUNT, created.id)

        assert (again.status, len(again.parts)) == ("pending", 1)
        assert again.parts[0].url != first


@pytest.mark.parametrize(("moment", "operation"), [("before", "copy"), ("after", "copy"), ("after", "stream")])
def test_an_upload_deleted_while_it_is_checked_leaves_nothing(
    parts: Parts, events: Events, clock: Clock, moment: str, operation: str
) -> None:
    upload_id = completed(parts)
    storage: Any = Scripted(parts.storage)
    getattr(storage, moment)[operation] = lambda: parts.uploads.delete(ACCOUNT, upload_id)

    parts.validator(storage).check_next()
    clock.forward(parts.settings.retry_seconds + parts.settings.lease_seconds + 1)
    parts.validator().check_next()

    assert events.types(upload_id) == ["UploadDeleted"]
    assert keys(parts) == []


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
        clock.forward(parts.settings.lease_seconds + 1)
        assert parts.validator().check_next()

    storage.before["copy"] = sleep_through

    parts.validator(storage).check_next()

    assert events.types(upload_id) == ["UploadReady"]
    assert keys(parts) == [f"sources/{upload_id}/original"]


def test_a_stopping_validator_gives_the_upload_back_at_once(parts: Parts) -> None:
    upload_id = completed(parts)
    stopping = parts.validator()
    stopping._stop.set()

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


class Stub(Prober):
    """A probe that ends as told."""

    def __init__(self, outcome: AudioFacts | Rejection | Exception) -> None:
        self._outcome = outcome

    def probe(self, file: Path, beat: Callable[[], None]) -> AudioFacts | Rejection:
        beat()
        assert sha256(file.read_bytes()) == sha256(SONG)
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_probe_without_a_word_is_tried_again_and_given_up(parts: Parts, clock: Clock) -> None:
    upload_id = completed(parts)
    for _ in range(parts.settings.max_attempts):
        assert state(parts, upload_id).status == "validating"
        parts.validator(prober=Stub(ProbeFailed("killed"))).check_next()
        clock.forward(60)
    parts.validator().check_next()

    assert state(parts, upload_id).code == "upload_not_checked"


def test_a_lease_is_renewed_while_the_probe_runs(parts: Parts, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    upload_id = completed(parts)
    monkeypatch.setattr(Validator, "_next_renewal", lambda _: 0.0)
    renewed: list[datetime | None] = []

    class Slow(Stub):
        def probe(self, file: Path, beat: Callable[[], None]) -> AudioFacts | Rejection:
            for _ in range(4):
                clock.forward(parts.settings.lease_seconds / 2)
                beat()
                with parts.database.read() as session:
                    upload = repository.find_any(session, upload_id)
                    assert upload is not None
                    renewed.append(upload.lease_until)
            return Rejection("x", "X.")

    parts.validator(prober=Slow(Rejection("x", "X."))).check_next()

    assert len(set(renewed)) == 4
    assert state(parts, upload_id).code == "x"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "audio_crashes_decoder"),
        ("import os; os.abort()", "audio_crashes_decoder"),
        ("import time; input(); time.sleep(60)", "audio_takes_too_long"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", "audio_takes_too_long"),
        ("import sys; input(); sys.stdout.write('x' * 10**6)", None),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", None),
        ("raise SystemExit(3)", None),
        ("print('{}')", None),
    ],
)
def test_however_the_probe_ends_the_validator_survives(
    parts: Parts, storage: S3Storage, script: str, code: str | None
) -> None:
    upload_id = completed(parts)
    settings = parts.settings.model_copy(update={"probe_wall_seconds": 1.0})
    prober = Prober(settings, command=[sys.executable, "-I", "-c", script])

    assert parts.validator(prober=prober).check_next()

    view = state(parts, upload_id)
    assert (view.status, view.code) == ("rejected" if code else "validating", code)
    assert _children() == []


def _children() -> list[str]:
    return [child.name() for child in psutil.Process().children() if "python" in child.name()]


def test_uploads_made_at_once_stay_within_what_the_account_may_keep(parts: Parts) -> None:
    settings = parts.settings.model_copy(update={"max_stored_bytes_per_account": 35})
    uploads = Uploads(
        parts.database, parts.storage, settings, cleaner=parts.cleaner, bell=parts.bell, verdicts=parts.verdicts
    )

    def create(_: int) -> bool:
        try:
            uploads.create(ACCOUNT, NewUpload(filename="a.wav", size_bytes=10), None)
        except StorageQuotaExceeded:
            return False
        return True

    assert sum(at_once(8, create)) == 3
