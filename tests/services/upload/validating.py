"""Uploads that wait for their check, and a store that fails as a test wants."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.kit.database import Database
from services.kit.ids import new_id
from services.kit.storage import ObjectStorage, Part
from services.upload.models import Upload
from services.upload.parts import plan
from services.upload.prober import AudioFacts, Prober, Rejection
from services.upload.schemas import UploadView
from tests.clocks import Clock
from tests.databases import MakeDatabase
from tests.ids import numbered
from tests.services.upload import songs
from tests.services.upload.conftest import Parts, sha256

ACCOUNT = numbered("usr", 1)
SONG = songs.wav()


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


@pytest.fixture
def parts(parts: Parts) -> Parts:
    """With a probe that knows the song: one that decodes takes half a second to start, and is tested by itself."""
    return replace(parts, prober=Stub(AudioFacts(1.0, 44_100, 44_100, 2, "pcm_s16le", "wav", complete=True)))


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
