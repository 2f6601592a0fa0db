"""Bytes that change on their way between the store and the validator."""

from collections.abc import Iterator
from typing import Any

import pytest

from services.kit.storage import ObjectStorage
from tests.clocks import Clock
from tests.databases import on_sqlite
from tests.services.upload.conftest import Events, Parts, sha256
from tests.services.upload.validating import SONG, Scripted, clock, completed, database, parts, state

pytestmark = pytest.mark.s3

__all__ = ["clock", "database", "parts"]


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


@on_sqlite
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("declared", [None, sha256(SONG)])
def test_bytes_that_change_on_their_way_give_no_verdict(
    parts: Parts, events: Events, clock: Clock, number: int, declared: str | None
) -> None:
    upload_id = completed(parts, declared_sha256=declared)
    storage: Any = Corrupting(parts.storage, number)
    parts.validator(storage).check_next()
    assert state(parts, upload_id).status == "validating"

    clock.advance(parts.settings.retry_seconds + 1)
    parts.validator(storage).check_next()

    assert (state(parts, upload_id).status, state(parts, upload_id).sha256) == ("ready", sha256(SONG))
    assert [event.data.sha256 for event in events.all(upload_id)] == [sha256(SONG)]


@on_sqlite
def test_a_good_file_is_not_rejected_for_bytes_that_changed_on_their_way(parts: Parts, clock: Clock) -> None:
    upload_id = completed(parts)

    class Destroying(Corrupting):
        def stream(self, key: str) -> Iterator[bytes]:
            self._left -= 1
            yield SONG if self._left else bytes(len(SONG))

    storage: Any = Destroying(parts.storage, 1)
    parts.validator(storage).check_next()
    assert state(parts, upload_id).status == "validating"

    clock.advance(parts.settings.retry_seconds + 1)
    parts.validator(storage).check_next()
    assert state(parts, upload_id).status == "ready"


@on_sqlite
def test_a_store_that_always_changes_bytes_is_not_asked_for_ever(parts: Parts, clock: Clock) -> None:
    upload_id = completed(parts)
    for _ in range(parts.settings.max_attempts):
        storage: Any = Corrupting(parts.storage, 1)
        parts.validator(storage).check_next()
        clock.advance(parts.settings.retry_seconds + 1)
    parts.validator().check_next()

    assert state(parts, upload_id).code == "upload_not_checked"
