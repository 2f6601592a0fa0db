"""What workers report of attempts, and what it does to jobs."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from services.kit.events.errors import InvalidMessage
from services.kit.ids import new_id
from services.kit.protos import separation_pb2, workers_pb2
from tests.databases import on_sqlite
from tests.services.orchestrator.siblings import failed, succeeded
from tests.services.orchestrator.world import World

WORKER = new_id("wrk")


@on_sqlite
@pytest.mark.parametrize(
    "spoil",
    [
        lambda beat: setattr(beat, "slots", 2**31),
        lambda beat: setattr(beat, "sequence", 2**63),
        lambda beat: setattr(beat, "worker_id", "w" * 100),
        lambda beat: setattr(beat, "assignments_partition", 99),
        lambda beat: setattr(beat, "speed", float("nan")),
        lambda beat: beat.models.add(name="net", digest="x" * 100),
        lambda beat: beat.running.add(job_id="job_1", attempt=1),
        lambda beat: beat.finished.add(worker_id=WORKER, job_id=new_id("job"), attempt=1),
    ],
)
def test_a_heartbeat_that_makes_no_sense_is_a_dead_letter(
    world: World, spoil: Callable[[workers_pb2.WorkerHeartbeat], object]
) -> None:
    beat = workers_pb2.WorkerHeartbeat(worker_id=WORKER, sequence=1, slots=1)
    spoil(beat)
    with pytest.raises(InvalidMessage):
        world.hear(beat)


@on_sqlite
@pytest.mark.parametrize(
    "spoil",
    [
        lambda manifest: manifest["stems"][0].pop("peak_dbfs"),
        lambda manifest: manifest["stems"].pop(),
        lambda manifest: manifest["stems"][0].update(file="../../other"),
        lambda manifest: manifest["quality"].update(note="\x00"),
        lambda manifest: manifest["quality"].update(null_residual_dbfs=float("nan")),
        lambda manifest: manifest.update(analysis={"key": "H" * 1000}),
        lambda manifest: manifest["model"].update(digest="sha256:other"),
        lambda manifest: manifest.pop("input"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_a_failed_attempt(
    world: World, spoil: Callable[[dict[str, Any]], object]
) -> None:
    job_id = world.running_job(WORKER)
    end = succeeded(WORKER, job_id, 1)
    manifest = json.loads(end.succeeded.manifest)
    spoil(manifest)
    end.succeeded.manifest = json.dumps(manifest).encode()
    world.hear(end)
    assert (world.job(job_id).status, world.job(job_id).failures) == ("queued", 1)


def test_a_manifest_of_another_jobs_folder_is_refused(world: World) -> None:
    job_id = world.running_job(WORKER)
    end = succeeded(WORKER, job_id, 1)
    end.succeeded.manifest_key = f"stems/{new_id('job')}/1/manifest.json"
    world.hear(end)
    assert world.job(job_id).status == "queued"


def test_a_result_of_a_stale_attempt_or_of_another_worker_is_ignored(world: World) -> None:
    job_id = world.running_job(WORKER)
    world.hear(succeeded(new_id("wrk"), job_id, 1))
    world.hear(succeeded(WORKER, job_id, 2))
    world.hear(succeeded(WORKER, new_id("job"), 1))
    assert world.job(job_id).status == "running"


def test_stems_that_do_not_belong_to_the_song_are_not_published(world: World) -> None:
    job_id = world.running_job(WORKER)
    world.hear(succeeded(WORKER, job_id, 1, sha256="f" * 64))
    job = world.job(job_id)
    assert job.status == "queued"
    assert job.result is None


def test_the_songs_own_fault_ends_the_job_at_once(world: World) -> None:
    job_id = world.running_job(WORKER)
    world.hear(failed(WORKER, job_id, 1, "audio_undecodable", retryable=False))
    job = world.job(job_id)
    assert (job.status, job.error_code) == ("failed", "audio_undecodable")


def test_a_passing_fault_is_tried_again_later_and_at_most_three_times(world: World) -> None:
    """However often and in whatever order the worker's word of it arrives."""
    job_id = world.running_job(WORKER)
    for attempt, wait in ((1, 10.0), (2, 40.0)):
        end = failed(WORKER, job_id, attempt, "inference_unavailable", retryable=True)
        world.hear(end)
        world.beat(WORKER, finished=[end])
        world.beat(WORKER, running=[(job_id, attempt)])
        world.beat(WORKER, finished=[end])
        assert world.job(job_id).failures == attempt
        assert world.job(job_id).status == "queued"
        assert not world.dispatcher.place()
        world.clock.advance(wait)
        world.beat(WORKER)
        assert world.dispatcher.place()
    assert world.job(job_id).attempt == 3
    world.hear(failed(WORKER, job_id, 3, "inference_unavailable", retryable=True))
    assert world.job(job_id).status == "failed"


def test_a_store_that_is_away_counts_against_no_song_and_is_asked_less_and_less(world: World) -> None:
    job_id = world.running_job(WORKER)
    waits = []
    for attempt in range(1, 10):
        world.hear(failed(WORKER, job_id, attempt, "storage_unavailable", retryable=True))
        job = world.job(job_id)
        assert (job.status, job.failures, job.worker_id) == ("queued", 0, None)
        assert job.not_before is not None
        waits.append((job.not_before - world.clock()).total_seconds())
        assert not world.dispatcher.place()
        world.clock.advance(waits[-1])
        world.beat(WORKER)
        assert world.dispatcher.place()
    assert waits == [10, 20, 40, 80, 160, 320, 640, 900, 900]
    world.hear(succeeded(WORKER, job_id, 10))
    assert world.job(job_id).status == "succeeded"


def test_a_song_that_the_store_refuses_for_ever_waits_as_long_as_any(world: World) -> None:
    job_id = world.running_job(WORKER)
    world.clock.advance(world.settings.queue_limit_seconds + 1)
    world.hear(failed(WORKER, job_id, 1, "storage_unavailable", retryable=True))
    job = world.job(job_id)
    assert (job.status, job.error_code) == ("failed", "waited_too_long")


@pytest.mark.parametrize("outcome", ["busy", "shutdown"])
def test_a_worker_that_has_no_room_or_stops_gives_the_job_to_another_at_once(world: World, outcome: str) -> None:
    job_id = world.running_job(WORKER)
    if outcome == "busy":
        world.hear(failed(WORKER, job_id, 1, "worker_busy", retryable=True))
    else:
        aborted = separation_pb2.SeparationAborted(reason="shutdown")
        world.hear(separation_pb2.SeparationFinished(worker_id=WORKER, job_id=job_id, attempt=1, aborted=aborted))
    other = new_id("wrk")
    world.beat(WORKER, stopping=True)
    world.beat(other)
    assert world.dispatcher.place()
    job = world.job(job_id)
    assert (job.worker_id, job.attempt, job.failures) == (other, 2, 0)


def test_a_slot_is_never_given_twice(world: World) -> None:
    for _ in range(3):
        world.queued_job()
    world.beat(WORKER, slots=2)
    assert world.dispatcher.place()
    assert world.dispatcher.place()
    assert not world.dispatcher.place()


def test_a_lost_word_of_success_comes_with_a_heartbeat(world: World) -> None:
    job_id = world.running_job(WORKER)
    world.beat(WORKER, finished=[succeeded(WORKER, job_id, 1)])
    assert world.job(job_id).status == "succeeded"


def test_an_old_heartbeat_changes_nothing(world: World) -> None:
    job_id = world.running_job(WORKER)
    lease = world.job(job_id).lease_until
    world.clock.advance(1)
    world._sequences[WORKER] = 0
    world.beat(WORKER, running=[(job_id, 1)])
    assert world.job(job_id).lease_until == lease
