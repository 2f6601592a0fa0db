"""What the sweeper does about deaths, losses and silence, by the database's clock."""

from services.kit.ids import new_id
from services.kit.protos import billing_pb2, uploads_pb2
from tests.services.orchestrator.conftest import World, succeeded

WORKER = new_id("wrk")


def lapse(world: World) -> None:
    """Time passes until a lease that was renewed just now has run out, and the sweeper comes by."""
    world.clock.advance(world.settings.lease_seconds + 1)
    world.sweeper.sweep()


def test_a_dead_workers_job_goes_to_another_as_a_new_attempt(world: World) -> None:
    job_id = world.running_job(WORKER)
    world.clock.advance(world.settings.lease_seconds / 2)
    other = new_id("wrk")
    world.beat(other)
    world.clock.advance(world.settings.lease_seconds / 2 + 1)
    world.sweeper.sweep()
    assert world.job(job_id).status == "queued"
    world.beat(other)
    assert world.dispatcher.place()
    job = world.job(job_id)
    assert (job.status, job.attempt, job.worker_id, job.silent_deaths) == ("running", 2, other, 1)
    # The first worker wakes up late: its attempt is stale.
    world.hear(succeeded(WORKER, job_id, 1))
    assert world.job(job_id).status == "running"
    world.told()
    world.beat(WORKER, running=[(job_id, 1)])
    assert world.types_told() == ["SeparationCanceled"]


def test_a_job_that_takes_two_workers_with_it_is_given_to_no_third(world: World) -> None:
    job_id = world.running_job(WORKER)
    for _ in range(2):
        world.clock.advance(world.settings.lease_seconds / 2)
        survivor = new_id("wrk")
        world.beat(survivor)
        world.clock.advance(world.settings.lease_seconds / 2 + 1)
        world.sweeper.sweep()
        world.beat(survivor)
        if world.dispatcher.place():
            world.beat(survivor, running=[(job_id, world.job(job_id).attempt)])
    job = world.job(job_id)
    assert (job.status, job.error_code, job.attempt) == ("failed", "worker_died", 2)


def test_silence_of_everyone_is_the_event_logs_fault_and_the_worker_goes_on(world: World) -> None:
    job_id = world.running_job(WORKER)
    for _ in range(3):
        lapse(world)
    job = world.job(job_id)
    assert (job.status, job.attempt, job.silent_deaths) == ("queued", 1, 0)
    world.beat(WORKER, running=[(job_id, 1)])
    assert world.job(job_id).status == "running"
    world.hear(succeeded(WORKER, job_id, 1))
    assert world.job(job_id).status == "succeeded"


def test_a_result_that_arrives_after_the_silence_counts(world: World) -> None:
    job_id = world.running_job(WORKER)
    lapse(world)
    world.hear(succeeded(WORKER, job_id, 1))
    assert world.job(job_id).status == "succeeded"


def test_an_assignment_that_no_heartbeat_confirms_is_sent_again_as_the_same_attempt(world: World) -> None:
    world.queued_job()
    world.beat(WORKER)
    world.dispatcher.place()
    world.told()
    world.clock.advance(world.settings.resend_seconds + 1)
    world.sweeper.sweep()
    [again] = [event for event in world.told() if event.type.endswith("SeparationAssigned")]
    assert again.data.attempt == 1


def test_unanswered_questions_are_asked_again_ever_more_slowly(world: World) -> None:
    account, upload = new_id("usr"), new_id("upl")
    world.hear(uploads_pb2.UploadCreated(upload_id=upload, account_id=account))
    world.post_job(account, upload)
    world.told()
    asked = []
    for second in range(60):
        world.clock.advance(1)
        world.sweeper.sweep()
        asked += [second for kind in world.types_told() if kind == "UploadStatusRequested"]
    assert asked == [4, 14, 34]
    world.make_ready(account, upload)
    assert world.types_told() == ["ReservationRequested"]
    world.clock.advance(world.settings.ask_again_seconds)
    world.sweeper.sweep()
    assert world.types_told() == ["ReservationRequested"]


def test_the_last_word_is_repeated_under_its_id_until_it_is_settled(world: World) -> None:
    job_id = world.running_job(WORKER)
    world.hear(succeeded(WORKER, job_id, 1))
    [first] = [event for event in world.told() if event.type == "job.succeeded"]
    world.clock.advance(world.settings.ask_again_seconds)
    world.sweeper.sweep()
    [again] = world.told()
    assert (again.id, again.data) == (first.id, first.data)
    world.settle(job_id, billing_pb2.SETTLEMENT_CAPTURED)
    world.clock.advance(1000)
    world.sweeper.sweep()
    assert world.told() == []


def test_a_hold_that_expires_takes_its_job_along(world: World) -> None:
    job_id = world.running_job(WORKER)
    world.settle(job_id, billing_pb2.SETTLEMENT_EXPIRED)
    job = world.job(job_id)
    assert (job.status, job.error_code, job.settled) == ("failed", "reservation_expired", True)


def test_a_job_that_waits_too_long_fails(world: World) -> None:
    job_id = world.queued_job()
    world.clock.advance(world.settings.queue_limit_seconds + 1)
    world.sweeper.sweep()
    assert (world.job(job_id).status, world.job(job_id).error_code) == ("failed", "waited_too_long")


def test_an_attempt_that_never_ends_is_taken_back(world: World) -> None:
    job_id = world.running_job(WORKER)
    world.clock.advance(world.settings.attempt_limit_seconds + 1)
    world.beat(WORKER, running=[(job_id, 1)])
    world.told()
    world.sweeper.sweep()
    assert "SeparationCanceled" in world.types_told()
    assert (world.job(job_id).status, world.job(job_id).failures) == ("queued", 1)


def test_objects_of_ended_attempts_go_and_those_of_late_writers_too(world: World) -> None:
    job_id = world.running_job(WORKER)
    lapse(world)
    other = new_id("wrk")
    world.beat(other)
    world.dispatcher.place()
    world.hear(succeeded(other, job_id, 2))
    world.storage.objects = {f"stems/{job_id}/{n}/vocals.flac": b"" for n in (1, 2)}
    world.sweeper.sweep()
    assert list(world.storage.objects) == [f"stems/{job_id}/2/vocals.flac"]
    world.storage.objects[f"stems/{job_id}/1/vocals.flac"] = b"written by a worker that woke up late"
    world.clock.advance(world.settings.zombie_sweep_seconds + 1)
    world.sweeper.sweep()
    assert list(world.storage.objects) == [f"stems/{job_id}/2/vocals.flac"]


def test_deletion_removes_objects_and_once_settled_the_row(world: World) -> None:
    account = new_id("usr")
    job_id = world.running_job(WORKER, account)
    headers = {"Authorization": f"Bearer {account}"}
    world.storage.objects[f"stems/{job_id}/1/vocals.flac"] = b""
    assert world.client.delete(f"/v1/jobs/{job_id}", headers=headers).status_code == 204
    assert world.client.get(f"/v1/jobs/{job_id}", headers=headers).status_code == 404
    world.sweeper.sweep()
    assert world.storage.objects == {}
    world.settle(job_id, billing_pb2.SETTLEMENT_RELEASED)
    world.sweeper.sweep()
    with world.database.read() as session:
        from services.orchestrator.models import Job

        assert session.get(Job, job_id) is None
