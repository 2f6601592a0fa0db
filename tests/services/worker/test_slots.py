import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from separation.errors import ModelAnswerInvalid, UndecodableAudio
from services.kit.protos import separation_pb2
from services.worker.attempts import AbortReason, Attempt
from services.worker.errors import AttemptAborted, EngineFailed, StorageFailed
from services.worker.service import WorkerService
from services.worker.slots import SlotPool
from tests.services.worker.assignments import assigned

ME = "wrk_me"
Separate = Callable[[Attempt], separation_pb2.SeparationSucceeded]


@contextmanager
def running(separate: Separate, slots: int = 1, grace_seconds: float = 5.0) -> Iterator[tuple[WorkerService, SlotPool]]:
    service = WorkerService(worker_id=ME, slots=slots)
    pool = SlotPool(service, separate, grace_seconds=grace_seconds)
    stop = threading.Event()
    thread = threading.Thread(target=pool.run, args=(stop,))
    thread.start()
    try:
        yield service, pool
    finally:
        pool.drain()
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


def ends(service: WorkerService) -> list[separation_pb2.SeparationFinished]:
    assert service.wait_idle(60)
    return service.wait_for_news(0.0).finished


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (EngineFailed(UndecodableAudio("The file is damaged.")), "audio_undecodable", False),
        (EngineFailed(ModelAnswerInvalid("Not finite.")), "model_answer_invalid", True),
        (StorageFailed("Away."), "storage_unavailable", True),
        (ZeroDivisionError(), "internal", True),
        (MemoryError(), "internal", True),
    ],
)
def test_a_song_that_fails_does_not_take_the_next_along(error: Exception, code: str, retryable: bool) -> None:
    def separate(attempt: Attempt) -> separation_pb2.SeparationSucceeded:
        if attempt.key.job_id == "job_bad":
            raise error
        return separation_pb2.SeparationSucceeded(manifest_key="key")

    with running(separate) as (service, _):
        service.assign(assigned(ME, job_id="job_bad"))
        [bad] = ends(service)
        assert (bad.failed.code, bad.failed.retryable) == (code, retryable)
        assert "Error" not in bad.failed.message
        service.assign(assigned(ME, job_id="job_good"))
        assert ends(service)[-1].succeeded.manifest_key == "key"


def test_each_slot_runs_one_song_at_a_time() -> None:
    together = threading.Barrier(2)

    def separate(attempt: Attempt) -> separation_pb2.SeparationSucceeded:
        together.wait(60)
        return separation_pb2.SeparationSucceeded(manifest_key="key")

    with running(separate, slots=2) as (service, _):
        service.assign(assigned(ME, job_id="job_a"))
        service.assign(assigned(ME, job_id="job_b"))
        assert {end.job_id for end in ends(service)} == {"job_a", "job_b"}


def test_an_attempt_that_was_cancelled_before_it_began_does_not_begin() -> None:
    begun: list[str] = []

    def separate(attempt: Attempt) -> separation_pb2.SeparationSucceeded:
        begun.append(attempt.key.job_id)
        return separation_pb2.SeparationSucceeded(manifest_key="key")

    service = WorkerService(worker_id=ME, slots=1)
    service.assign(assigned(ME, job_id="job_a"))
    service.cancel(separation_pb2.SeparationCanceled(worker_id=ME, job_id="job_a", attempt=1))
    pool = SlotPool(service, separate, grace_seconds=5)
    stop = threading.Event()
    thread = threading.Thread(target=pool.run, args=(stop,))
    thread.start()
    assert [end.aborted.reason for end in ends(service)] == ["canceled"]
    assert begun == []
    pool.drain()
    stop.set()
    thread.join(60)


def test_what_outlives_the_grace_is_given_up() -> None:
    begun = threading.Event()

    def separate(attempt: Attempt) -> separation_pb2.SeparationSucceeded:
        begun.set()
        while attempt.abort is None:
            threading.Event().wait(0.005)
        raise AttemptAborted(attempt.abort)

    with running(separate, grace_seconds=0.05) as (service, pool):
        service.assign(assigned(ME))
        assert begun.wait(60)
        pool.drain()
        assert [end.aborted.reason for end in ends(service)] == [AbortReason.SHUTDOWN.value]
