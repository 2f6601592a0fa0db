"""Validators: what happens when one dies between two steps, when the store or the disk fails, when the upload goes."""

import errno
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.kit.s3 import S3Storage
from services.kit.storage import StorageUnavailable
from services.upload import repository
from services.upload.leases import Leases
from services.upload.prober import AudioFacts, ProbeFailed, Prober, Rejection
from services.upload.schemas import NewUpload
from tests.clocks import Clock
from tests.databases import on_sqlite
from tests.object_store import running_object_store
from tests.services.upload.conftest import Events, Parts
from tests.services.upload.validating import (
    ACCOUNT,
    SONG,
    Killed,
    Scripted,
    Stub,
    clock,
    completed,
    database,
    keys,
    kill,
    parts,
    state,
)

pytestmark = pytest.mark.s3

__all__ = ["clock", "database", "parts"]


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
        clock.advance(parts.settings.lease_seconds + 1)
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
        clock.advance(parts.settings.lease_seconds + 1)

    assert parts.validator().check_next()

    assert (state(parts, upload_id).status, state(parts, upload_id).code) == ("rejected", "upload_not_checked")
    assert events.types(upload_id) == ["UploadRejected"]
    assert keys(parts) == []


@on_sqlite
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
        clock.advance(parts.settings.retry_seconds + 1)

    assert parts.validator().check_next()
    assert state(parts, upload_id).status == "ready", "the file is not to blame, however often"


@on_sqlite
def test_a_full_disk_is_waited_out(parts: Parts, clock: Clock) -> None:
    upload_id = completed(parts)

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    storage: Any = Scripted(parts.storage)
    storage.before["stream"] = full
    parts.validator(storage).check_next()
    assert state(parts, upload_id).status == "validating"

    clock.advance(parts.settings.retry_seconds + 1)
    parts.validator().check_next()
    assert state(parts, upload_id).status == "ready"


@on_sqlite
def test_a_truncated_answer_of_the_store_is_not_a_verdict(parts: Parts, clock: Clock) -> None:
    upload_id = completed(parts)

    class Short(Scripted):
        def stream(self, key: str) -> Iterator[bytes]:
            yield b"".join(parts.storage.stream(key))[:1000]

    storage: Any = Short(parts.storage)
    parts.validator(storage).check_next()
    assert state(parts, upload_id).status == "validating"

    clock.advance(parts.settings.retry_seconds + 1)
    parts.validator().check_next()
    assert state(parts, upload_id).status == "ready"


@on_sqlite
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


@on_sqlite
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


@on_sqlite
def test_a_probe_without_a_word_is_tried_again_and_given_up(parts: Parts, clock: Clock) -> None:
    upload_id = completed(parts)
    for _ in range(parts.settings.max_attempts):
        assert state(parts, upload_id).status == "validating"
        parts.validator(prober=Stub(ProbeFailed("killed"))).check_next()
        clock.advance(60)
    parts.validator().check_next()

    assert state(parts, upload_id).code == "upload_not_checked"


def test_a_lease_is_renewed_while_the_probe_runs(parts: Parts, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    upload_id = completed(parts)
    monkeypatch.setattr(Leases, "_next_renewal", lambda _: 0.0)
    renewed: list[datetime | None] = []

    class Slow(Stub):
        def probe(self, file: Path, beat: Callable[[], None]) -> AudioFacts | Rejection:
            for _ in range(4):
                clock.advance(parts.settings.lease_seconds / 2)
                beat()
                with parts.database.read() as session:
                    upload = repository.find_any(session, upload_id)
                    assert upload is not None
                    renewed.append(upload.lease_until)
            return Rejection("x", "X.")

    parts.validator(prober=Slow(Rejection("x", "X."))).check_next()

    assert len(set(renewed)) == 4
    assert state(parts, upload_id).code == "x"


@on_sqlite
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
    # Only what never ends by itself is not waited for: the others need a moment to start, and a busy machine's is long.
    settings = parts.settings.model_copy(update={"probe_wall_seconds": 1.0 if "sleep" in script else 180.0})
    prober = Prober(settings, command=[sys.executable, "-I", "-c", script])

    assert parts.validator(prober=prober).check_next()

    view = state(parts, upload_id)
    assert (view.status, view.code) == ("rejected" if code else "validating", code)
    assert not [child for child in psutil.Process().children() if script in child.cmdline()]
