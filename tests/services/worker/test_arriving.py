"""A source on its way: whoever reads far ahead of what arrives is served first."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from services.kit.storage import ObjectStorage
from services.worker import arriving
from services.worker.arriving import ArrivingSource
from services.worker.attempts import Attempt
from services.worker.errors import StorageFailed
from services.worker.retries import Retries
from services.worker.service import WorkerService
from services.worker.store import StoreWatch
from tests.services.worker.assignments import assigned
from tests.services.worker.memory_storage import CHUNK_BYTES, MemoryStorage
from tests.services.worker.waiting import until

SONG = bytes(range(80))
END, NEAR = 8, 8


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> MemoryStorage:
    monkeypatch.setattr(arriving, "END_BYTES", END)
    monkeypatch.setattr(arriving, "NEAR_BYTES", NEAR)
    return MemoryStorage()


@pytest.fixture
def source(storage: MemoryStorage, tmp_path: Path) -> Iterator[ArrivingSource]:
    """Nothing but its end arrives before somebody waits for more."""
    service = WorkerService(worker_id="wrk_me", slots=1)
    assignment = assigned("wrk_me")
    assignment.source.sha256, assignment.source.size_bytes = hashlib.sha256(SONG).hexdigest(), len(SONG)
    storage.objects[assignment.source.object_key] = SONG
    service.assign(assignment)
    attempt = cast(Attempt, service.next_attempt())
    source = ArrivingSource(
        attempt,
        cast(ObjectStorage, storage),
        Retries(2, 0.001, service.pause),
        StoreWatch(cast(Any, storage)),
        tmp_path / "source",
    )
    storage.before = {0: lambda: until(lambda: source.wanted is not None)}
    with source:
        yield source


def test_whoever_goes_far_ahead_does_not_wait_for_what_is_between(
    storage: MemoryStorage, source: ArrivingSource
) -> None:
    read: list[bytes] = []
    storage.before[CHUNK_BYTES] = lambda: until(lambda: bool(read))
    with source.open() as song:
        song.seek(40)
        read.append(song.read(4))
        song.seek(0)
        assert song.read() == SONG
    assert read == [SONG[40:44]]
    assert 40 in storage.asked
    source.check()


def test_whoever_is_near_waits(storage: MemoryStorage, source: ArrivingSource) -> None:
    with source.open() as song:
        song.seek(-1, io.SEEK_END)
        song.read(1)
        song.seek(NEAR - 1)
        assert song.read() == SONG[NEAR - 1 :]
    source.check()
    assert storage.asked == [len(SONG) - END, 0]


def test_every_byte_is_asked_for_once_however_a_reader_jumps(storage: MemoryStorage, source: ArrivingSource) -> None:
    with source.open() as song:
        for position in (60, 30, 68, 12, 45, 3, 79):
            song.seek(position)
            assert song.read(1) == SONG[position : position + 1]
    source.check()
    given = sorted(storage.given)
    assert given == sorted(set(given))
    assert sum(length for _, length in given) == len(SONG)


def test_a_reader_is_not_followed_for_ever(
    storage: MemoryStorage, source: ArrivingSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "MOST_JUMPS", 1)
    with source.open() as song:
        for position in (40, 12, 60):
            song.seek(position)
            assert song.read(1) == SONG[position : position + 1]
    source.check()
    assert set(storage.asked) == {len(SONG) - END, 0, 40} | set(storage.asked[-1:])
    assert len(storage.asked) <= 4


def test_what_breaks_off_behind_a_jump_is_fetched_on_from_there(storage: MemoryStorage, source: ArrivingSource) -> None:
    storage.before[40] = lambda: storage.breaking.append(44)
    with source.open() as song:
        song.seek(40)
        assert song.read() == SONG[40:]
    source.check()
    assert storage.asked.index(44) == storage.asked.index(40) + 1


def test_a_store_that_is_gone_ends_a_reader_that_went_ahead(storage: MemoryStorage, source: ArrivingSource) -> None:
    storage.before[40] = lambda: storage.breaking.extend([44, 44])
    with source.open() as song:
        song.seek(40)
        with pytest.raises(StorageFailed):
            song.read()
