"""How a batch ends: canceled, cut short, told again, and by the last of its songs."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from services.kit.protos import billing_pb2
from services.orchestrator.batches import service as batch_service
from services.orchestrator.jobs import repository as job_rows
from services.orchestrator.results.deletions import Forgetter
from tests.databases import PATIENCE_SECONDS, on_sqlite
from tests.services.accounts.racing import wait_until_it_waits
from tests.services.orchestrator.batches.songs import ADA, end, songs_of
from tests.services.orchestrator.world import World, bearer


def test_a_canceled_batch_cancels_what_has_not_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_service, "CANCELED_AT_ONCE", 2)
    batch = world.post_batch(ADA, [world.ready_upload(ADA) for _ in range(5)])
    world.grant_batch(batch, ADA)
    end(world, songs_of(world, batch)["items"][0]["id"])
    world.told()
    for _ in range(2):
        answer = world.client.post(f"/v1/batches/{batch['id']}/cancel", headers=bearer(ADA))
        assert answer.status_code == 200
        assert answer.json()["status"] == "canceled"
        assert (answer.json()["counts"]["succeeded"], answer.json()["counts"]["canceled"]) == (1, 4)
    types = world.types_told()
    assert (types.count("job.canceled"), types.count("batch.completed")) == (4, 1)


def test_a_cancellation_that_was_cut_short_is_finished(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = world.post_batch(ADA, [world.ready_upload(ADA) for _ in range(3)])
    world.grant_batch(batch, ADA)
    batches = world.app.state.batches
    with monkeypatch.context() as patched:
        patched.setattr(batches, "cancel_songs", lambda _: None)
        batches.cancel(ADA, batch["id"])
    assert songs_of(world, batch)["counts"]["queued"] == 3
    world.batch_sweeper.sweep()
    assert songs_of(world, batch)["status"] == "canceled"


def test_a_batch_that_is_over_cannot_be_canceled(world: World) -> None:
    batch = world.post_batch(ADA, [world.ready_upload(ADA)])
    world.grant_batch(batch, ADA)
    end(world, songs_of(world, batch)["items"][0]["id"])
    answer = world.client.post(f"/v1/batches/{batch['id']}/cancel", headers=bearer(ADA))
    assert (answer.status_code, answer.json()["code"]) == (409, "batch_already_final")


def test_the_end_is_told_again_until_every_song_is_settled(world: World) -> None:
    batch = world.post_batch(ADA, [world.ready_upload(ADA)])
    world.grant_batch(batch, ADA)
    job_id = songs_of(world, batch)["items"][0]["id"]
    world.client.post(f"/v1/jobs/{job_id}/cancel", headers=bearer(ADA))
    ids = [event.id for event in world.told() if event.type == "batch.completed"]
    world.pass_time(world.settings.ask_again_seconds + 1)
    world.settle(job_id, billing_pb2.SETTLEMENT_RELEASED)
    world.pass_time(4 * world.settings.ask_again_seconds)
    ids += [event.id for event in world.told() if event.type == "batch.completed"]
    assert len(ids) >= 2
    assert len(set(ids)) == 1
    world.pass_time(600)
    assert "batch.completed" not in world.types_told()


def test_of_two_songs_that_end_at_the_same_moment_one_is_the_last(world: World) -> None:
    batch = world.post_batch(ADA, [world.ready_upload(ADA), world.ready_upload(ADA)])
    world.grant_batch(batch, ADA)
    first, second = (job["id"] for job in songs_of(world, batch)["items"])
    world.told()
    with ThreadPoolExecutor(1) as pool:
        with world.database.write() as session:
            job = job_rows.locked_job(session, first)
            assert job is not None
            world.lifecycle.cancel(session, job)
            other = pool.submit(world.client.post, f"/v1/jobs/{second}/cancel", headers=bearer(ADA))
            wait_until_it_waits(session, other)
        assert other.result(PATIENCE_SECONDS).status_code == 200
    types = world.types_told()
    assert (types.count("job.canceled"), types.count("batch.completed")) == (2, 1)
    assert songs_of(world, batch)["counts"]["canceled"] == 2


@on_sqlite
def test_a_deleted_song_is_counted_until_its_batch_is_over(world: World) -> None:
    batch = world.post_batch(ADA, [world.ready_upload(ADA), world.ready_upload(ADA)])
    world.grant_batch(batch, ADA)
    first, second = (job["id"] for job in songs_of(world, batch)["items"])
    assert world.client.delete(f"/v1/jobs/{first}", headers=bearer(ADA)).status_code == 204
    world.settle(first, billing_pb2.SETTLEMENT_RELEASED)
    Forgetter(world.database, world.settings).forget()
    answer = songs_of(world, batch)
    assert [job["id"] for job in answer["items"]] == [second]
    assert answer["counts"]["canceled"] == 1
    end(world, second)
    Forgetter(world.database, world.settings).forget()
    assert songs_of(world, batch)["counts"]["canceled"] == 1
