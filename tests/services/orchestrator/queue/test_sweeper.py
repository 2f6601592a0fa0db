"""What the sweeper does about deaths, losses and silence, by the database's clock."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text, update

from services.kit.database import WriteSession
from services.kit.ids import new_id
from services.kit.protos import billing_pb2, uploads_pb2
from services.kit.tables import OUTBOX
from services.orchestrator.jobs.lifecycle import Lifecycle
from services.orchestrator.jobs.models import Job
from services.orchestrator.queue.dispatcher import Dispatcher
from services.orchestrator.results.deletions import Forgetter
from services.orchestrator.signals import Signals
from services.orchestrator.workers import repository as worker_rows
from services.orchestrator.workers.heartbeats import HeartbeatMonitor
from tests.services.orchestrator.siblings import succeeded
from tests.services.orchestrator.world import World

WORKER = new_id("wrk")


def lapse(world: World) -> None:
    """Silence until a lease that was renewed just now has run out, and the sweeper comes by."""
    world.clock.advance(world.settings.lease_seconds + 1)
    world.sweeper.sweep()


def test_a_dead_workers_job_goes_to_another_as_a_new_attempt(world: World) -> None:
    other = new_id("wrk")
    job_id = world.running_job(WORKER)
    world.pass_time(world.settings.lease_seconds + 1, beating=[other])
    assert world.job(job_id).status == "queued"
    assert world.dispatcher.place()
    job = world.job(job_id)
    assert (job.status, job.attempt, job.worker_id, job.silent_deaths) == ("running", 2, other, 1)
    # The first worker wakes up late: its attempt is stale.
    world.hear(succeeded(WORKER, job_id, 1))
    assert world.job(job_id).status == "running"
    world.told()
    world.beat(WORKER, running=[(job_id, 1)])
    assert world.types_told() == ["SeparationCanceled"]


def test_everything_stopped_in_order_again_and_again_counts_no_death(world: World) -> None:
    """The event log of one machine forgets with it: the farewell of a worker reaches nobody."""
    job_id = world.running_job(WORKER)
    for attempt in range(2, 6):
        worker = new_id("wrk")
        world.clock.advance(world.settings.lease_seconds + 1)
        heartbeats = HeartbeatMonitor(world.settings.lease_seconds / 2, clock=lambda: world.clock().timestamp())
        signals = Signals()
        dispatcher = Dispatcher(world.database, world.settings, Lifecycle(world.settings, signals), signals, heartbeats)
        assert not dispatcher.place()
        world.sweeper.sweep()
        for _ in range(4):
            world.clock.advance(15)
            world.beat(worker)
            heartbeats.received()
        assert dispatcher.place()
        world.beat(worker, running=[(job_id, attempt)])
        assert (world.job(job_id).attempt, world.job(job_id).silent_deaths) == (attempt, 0)


def test_a_job_that_takes_two_workers_with_it_is_given_to_no_third(world: World) -> None:
    """Also where the next worker takes longer to start than a lease lasts."""
    job_id = world.running_job(WORKER)
    for _ in range(2):
        lapse(world)
        world.clock.advance(600)
        survivor = new_id("wrk")
        world.beat(survivor)
        assert not world.dispatcher.place()
        world.pass_time(world.settings.lease_seconds, beating=[survivor])
        assert world.dispatcher.place()
        world.beat(survivor, running=[(job_id, world.job(job_id).attempt)])
    job = world.job(job_id)
    assert (job.status, job.error_code, job.attempt) == ("failed", "worker_died", 2)


def test_after_a_silence_of_everyone_the_workers_go_on_and_nothing_counts_against_the_job(world: World) -> None:
    """The event log was away, or this service was; one worker is heard again before the other."""
    first, second = new_id("wrk"), new_id("wrk")
    job_id = world.running_job(first)
    for _ in range(3):
        lapse(world)
        world.beat(second)
        assert not world.dispatcher.place()
        world.clock.advance(5)
        world.beat(first, running=[(job_id, 1)])
        assert world.job(job_id).status == "running"
    job = world.job(job_id)
    assert (job.attempt, job.silent_deaths) == (1, 0)
    world.hear(succeeded(first, job_id, 1))
    assert world.job(job_id).status == "succeeded"


def test_a_worker_that_lives_and_does_not_take_its_work_is_passed_over(world: World) -> None:
    job_id = world.queued_job()
    world.beat(WORKER)
    assert world.dispatcher.place()
    world.pass_time(world.settings.lease_seconds, beating=[WORKER])
    assert world.job(job_id).status == "queued"
    assert not world.dispatcher.place()
    other = new_id("wrk")
    world.beat(other)
    assert world.dispatcher.place()
    job = world.job(job_id)
    assert (job.worker_id, job.attempt, job.failures, job.silent_deaths) == (other, 2, 0, 0)


def test_a_job_ends_even_if_no_worker_ever_takes_it(world: World) -> None:
    job_id = world.queued_job()
    for _ in range(20):
        world.beat(WORKER)
        world.dispatcher.place()
        world.clock.advance(world.settings.lease_seconds + 1)
        world.beat(WORKER)
        world.sweeper.sweep()
        if world.job(job_id).status == "failed":
            break
        world.clock.advance(world.settings.queue_limit_seconds / 10)
    assert (world.job(job_id).status, world.job(job_id).error_code) == ("failed", "waited_too_long")


def test_a_result_that_arrives_after_the_silence_counts(world: World) -> None:
    job_id = world.running_job(WORKER)
    lapse(world)
    world.hear(succeeded(WORKER, job_id, 1))
    assert world.job(job_id).status == "succeeded"


def test_an_assignment_that_no_heartbeat_confirms_is_sent_again_as_the_same_attempt(world: World) -> None:
    job_id = world.queued_job()
    world.beat(WORKER)
    world.dispatcher.place()
    world.told()
    publish_all(world)
    sent = []
    for second in range(35):
        world.clock.advance(1)
        world.sweeper.sweep()
        sent += [(second, event.data.attempt) for event in world.told() if event.type.endswith("SeparationAssigned")]
        publish_all(world)
    assert sent == [(19, 1)]
    world.beat(WORKER, running=[(job_id, 1)])
    world.pass_time(19)
    assert world.types_told() == []


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
        publish_all(world)
    assert asked == [4, 14, 34]
    world.make_ready(account, upload)
    assert world.types_told() == ["ReservationRequested"]
    publish_all(world)
    world.clock.advance(world.settings.ask_again_seconds)
    world.sweeper.sweep()
    assert world.types_told() == ["ReservationRequested"]


def publish_all(world: World) -> None:
    """The relay gets everything out."""
    with world.database.write() as session:
        session.execute(update(OUTBOX).values(published_at=session.now()))


def test_a_question_that_nobody_answers_for_a_day_does_no_harm(world: World) -> None:
    account, upload = new_id("usr"), new_id("upl")
    world.hear(uploads_pb2.UploadCreated(upload_id=upload, account_id=account))
    job_id = world.post_job(account, upload)["id"]
    with world.database.write() as session:
        session.get_one(Job, job_id).asked_times = 5000
    world.clock.advance(3600)
    publish_all(world)
    world.sweeper.sweep()
    assert world.job(job_id).asked_times == 5001


def test_nothing_is_asked_again_while_the_event_log_takes_nothing(world: World) -> None:
    account, upload = new_id("usr"), new_id("upl")
    world.hear(uploads_pb2.UploadCreated(upload_id=upload, account_id=account))
    world.post_job(account, upload)
    assert world.types_told() == ["UploadStatusRequested"]
    for _ in range(20):
        world.clock.advance(30)
        world.sweeper.sweep()
    assert world.types_told() == []


def test_one_job_that_trips_the_sweeper_does_not_keep_the_others_from_ending(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = world.queued_job(), world.queued_job()
    give_up = world.lifecycle.give_up

    def trip(session: WriteSession, job: Job, code: str, message: str) -> None:
        if job.id == bad:
            raise ZeroDivisionError
        give_up(session, job, code, message)

    monkeypatch.setattr(world.lifecycle, "give_up", trip)
    world.clock.advance(world.settings.queue_limit_seconds + 1)
    world.sweeper.sweep()
    assert (world.job(bad).status, world.job(good).status) == ("queued", "failed")


def test_the_last_word_is_repeated_under_its_id_until_it_is_settled(world: World) -> None:
    job_id = world.running_job(WORKER)
    world.hear(succeeded(WORKER, job_id, 1))
    [first] = [event for event in world.told() if event.type == "job.succeeded"]
    publish_all(world)
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
    for _ in range(3):
        world.sweeper.sweep()
        # A heartbeat that was under way does not bring it back.
        world.beat(WORKER, running=[(job_id, 1)])
    assert "SeparationCanceled" in world.types_told()
    assert (world.job(job_id).status, world.job(job_id).failures) == ("queued", 1)


def test_objects_of_ended_attempts_go_and_those_of_late_writers_too(world: World) -> None:
    job_id = world.running_job(WORKER)
    other = new_id("wrk")
    world.pass_time(world.settings.lease_seconds + 1, beating=[other])
    world.dispatcher.place()
    world.hear(succeeded(other, job_id, 2))
    world.storage.objects = {f"stems/{job_id}/{n}/vocals.flac": b"" for n in (1, 2)}
    world.deleter.delete_due()
    assert list(world.storage.objects) == [f"stems/{job_id}/2/vocals.flac"]
    world.storage.objects[f"stems/{job_id}/1/vocals.flac"] = b"written by a worker that woke up late"
    world.clock.advance(world.settings.zombie_sweep_seconds + 1)
    world.deleter.delete_due()
    assert list(world.storage.objects) == [f"stems/{job_id}/2/vocals.flac"]


def test_deletion_removes_objects_and_once_settled_the_rows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    account = new_id("usr")
    jobs = [world.running_job(new_id("wrk"), account) for _ in range(3)]
    headers = {"Authorization": f"Bearer {account}"}
    for job_id in jobs:
        world.storage.objects[f"stems/{job_id}/1/vocals.flac"] = b""
        assert world.client.delete(f"/v1/jobs/{job_id}", headers=headers).status_code == 204
        assert world.client.get(f"/v1/jobs/{job_id}", headers=headers).status_code == 404
    world.deleter.delete_due()
    assert world.storage.objects == {}
    for job_id in jobs:
        world.settle(job_id, billing_pb2.SETTLEMENT_RELEASED)
    monkeypatch.setattr("services.orchestrator.jobs.repository.AT_ONCE", 2)
    Forgetter(world.database, world.settings).forget()
    with world.database.read() as session:
        assert [session.get(Job, job_id) for job_id in jobs] == [None] * 3


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_lease_that_lapses_waits_for_its_worker_without_holding_the_job(world: World) -> None:
    """A heartbeat locks its worker and then its jobs: taken the other way round, each would wait for the other."""
    job_id = world.queued_job()
    world.beat(WORKER)
    assert world.dispatcher.place()
    world.clock.advance(world.settings.lease_seconds + 1)

    with world.database.write() as heartbeat, ThreadPoolExecutor(1) as pool:
        worker_rows.locked_worker(heartbeat, WORKER)
        sweeping = pool.submit(world.sweeper.sweep)
        deadline = time.monotonic() + 120
        while not waits_for_a_lock(world):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        job = heartbeat.scalar(select(Job).where(Job.id == job_id).with_for_update(nowait=True))
        assert job is not None
        heartbeat.commit()
        sweeping.result(timeout=120)
    assert world.job(job_id).status == "queued"


def waits_for_a_lock(world: World) -> bool:
    with world.database.read() as session:
        return bool(session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
