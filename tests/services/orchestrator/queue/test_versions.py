"""A song that began with one version of its model goes on with it, for as long as there is a worker that serves it."""

import logging

import pytest

from services.kit.ids import new_id
from services.orchestrator.queue.dispatcher import UNPIN_AFTER
from tests.services.orchestrator.siblings import DIGEST, failed, succeeded
from tests.services.orchestrator.world import World

OLD, NEW = new_id("wrk"), new_id("wrk")
OTHER = "sha256:" + "2" * 64
LONG = UNPIN_AFTER.total_seconds() + 60


def beat_for(world: World, seconds: float, *workers: str) -> None:
    """Time passes; the workers named are heard all along."""
    while seconds > 0:
        for worker in workers:
            world.beat(worker, digest=DIGEST if worker == OLD else OTHER)
        world.clock.advance(15.0)
        seconds -= 15.0
    for worker in workers:
        world.beat(worker, digest=DIGEST if worker == OLD else OTHER)


def begun(world: World) -> str:
    """A song that ran at the old worker and waits since."""
    job = world.running_job(OLD)
    world.beat(OLD, finished=[failed(OLD, job, 1, "no_space", retryable=True)])
    return job


def test_it_goes_on_with_another_version_once_its_own_has_been_gone_for_minutes(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    job = begun(world)
    price = world.job(job).price_credits
    beat_for(world, UNPIN_AFTER.total_seconds() - 30, NEW)
    assert not world.dispatcher.place()
    assert world.job(job).model_digest == DIGEST

    beat_for(world, 90, NEW)
    with caplog.at_level(logging.WARNING, "services.orchestrator"):
        assert world.dispatcher.place()
    [told] = [record.getMessage() for record in caplog.records]
    assert told.startswith(f"job {job} began with spleeter-2stems {DIGEST}, which no worker serves any more")
    assert (world.job(job).worker_id, world.job(job).model_digest) == (NEW, OTHER)
    world.hear(succeeded(NEW, job, 2, digest=OTHER))
    done = world.job(job)
    assert (done.status, done.model_digest, done.price_credits) == ("succeeded", OTHER, price)


@pytest.mark.parametrize("how", ["busy", "stopping"])
def test_it_waits_while_a_worker_of_its_version_lives(world: World, how: str) -> None:
    job = begun(world)
    other = world.queued_job() if how == "busy" else None
    if other is not None:
        assert world.dispatcher.place()
    for _ in range(int(LONG / 15)):
        world.beat(OLD, stopping=how != "busy", running=[(other, 1)] if other else [])
        world.beat(NEW, digest=OTHER)
        world.clock.advance(15.0)
    assert not world.dispatcher.place()
    assert world.job(job).model_digest == DIGEST


def test_it_waits_while_nobody_knows_who_lives(world: World) -> None:
    """The event log, or we, were away: the first worker that is heard again is not the only one."""
    job = begun(world)
    world.clock.advance(LONG)
    beat_for(world, 60, NEW)
    assert not world.dispatcher.place()
    beat_for(world, 60, NEW, OLD)
    assert world.dispatcher.place()
    assert (world.job(job).worker_id, world.job(job).model_digest) == (OLD, DIGEST)


def test_a_late_word_of_the_worker_that_had_it_changes_nothing(world: World) -> None:
    job = world.running_job(OLD)
    beat_for(world, LONG, NEW)
    world.sweeper.sweep()
    assert world.job(job).status == "queued"
    beat_for(world, LONG, NEW)
    assert world.dispatcher.place()
    world.hear(succeeded(OLD, job, 1))
    world.beat(OLD, running=[(job, 1)])
    assert (world.job(job).status, world.job(job).attempt, world.job(job).model_digest) == ("running", 2, OTHER)
