"""A worker and a store that is away: it offers itself for nothing until the store answers."""

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.kit.protos import separation_pb2
from services.kit.storage import BucketMissing, StorageUnavailable
from services.worker.app import Readiness
from services.worker.attempts import Attempt
from services.worker.errors import SourceMissing, StorageFailed
from services.worker.heartbeat import Identity
from services.worker.metrics import STORE_READY
from services.worker.store import LONGEST_PAUSE_SECONDS, StoreWatch
from tests.services.worker.assignments import assigned

ATTEMPT = Attempt(assigned("wrk_me"), "", None)
DONE = separation_pb2.SeparationSucceeded(manifest_key="key")


class Store:
    """Its pings raise `error`, if there is one."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.asked = 0

    def ping(self) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error


class Now:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def watch_of(store: Store, now: Now) -> StoreWatch:
    return StoreWatch(cast(Any, store), monotonic=now)


def fail(watch: StoreWatch, error: Exception) -> None:
    def separate(_: Attempt) -> separation_pb2.SeparationSucceeded:
        raise error

    with pytest.raises(type(error)):
        watch.watched(separate)(ATTEMPT)


@pytest.mark.parametrize("error", [StorageUnavailable("away"), BucketMissing("gone")])
def test_from_an_attempt_that_the_store_failed_on_no_song_comes_until_it_answers(error: Exception) -> None:
    store, now = Store(), Now()
    watch = watch_of(store, now)
    assert not watch.look()
    assert store.asked == 0
    store.error = error
    fail(watch, StorageFailed("It did not answer."))
    with pytest.raises(RuntimeError, match="did not answer"):
        watch.check()
    assert STORE_READY._value.get() == 0
    now.seconds += 2
    assert not watch.look()
    store.error = None
    assert watch.look()
    watch.check()
    assert STORE_READY._value.get() == 1


def test_a_store_that_answers_and_takes_nothing_is_tried_less_and_less() -> None:
    store, now = Store(), Now()
    watch = watch_of(store, now)
    pauses = []
    for _ in range(8):
        fail(watch, StorageFailed("It did not answer."))
        begun = now.seconds
        while not watch.look():
            now.seconds += 1
        pauses.append(now.seconds - begun)
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]
    assert max(pauses) == LONGEST_PAUSE_SECONDS
    assert watch.watched(lambda _: DONE)(ATTEMPT) == DONE
    fail(watch, StorageFailed("It did not answer."))
    now.seconds += 2
    assert watch.look()


def test_a_fault_of_the_song_says_nothing_of_the_store() -> None:
    watch = watch_of(Store(), Now())
    fail(watch, SourceMissing())
    watch.check()


def test_a_worker_without_its_store_announces_no_model() -> None:
    store, now = Store(), Now()
    watch = watch_of(store, now)
    stop, told = threading.Event(), []
    model = SimpleNamespace(name="net", digest="sha256:1")
    network = SimpleNamespace(
        open=lambda: None,
        verify=lambda _: 20.0,
        ping=lambda: None,
        models=lambda: [model],
        device="cpu",
        runtime="toy",
        passed_over=(),
    )

    def tell_soon() -> None:
        told.append(len(readiness.at_present(identity).models))
        stop.set()

    service = SimpleNamespace(tell_soon=tell_soon)
    readiness = Readiness(cast(Any, service), cast(Any, network), cast(Any, store), cast(Any, None), watch)
    identity = Identity("wrk_me", 0, 1, [], "", 0.0, "host")
    readiness._note(20.0)
    assert len(readiness.at_present(identity).models) == 1
    fail(watch, StorageFailed("It did not answer."))
    assert not readiness.at_present(identity).models
    now.seconds += 2
    readiness.run(stop)
    assert told == [1]
