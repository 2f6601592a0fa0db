"""Stems are kept for a time where the operator says so, and else until their job is deleted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select

from services.kit.ids import new_id
from services.kit.protos import billing_pb2
from services.kit.storage import StorageUnavailable
from services.kit.tables import OUTBOX
from services.orchestrator.jobs.models import Job
from services.orchestrator.results import deletions
from services.orchestrator.results.deletions import Forgetter
from services.orchestrator.results.models import Deletion
from tests.clocks import Clock
from tests.databases import MakeDatabase
from tests.services.orchestrator.siblings import succeeded
from tests.services.orchestrator.world import World, bearer, running_world

WORKER, ACCOUNT = new_id("wrk"), new_id("usr")
HEADERS = {"Authorization": f"Bearer {ACCOUNT}"}
DAY_SECONDS = 86_400.0


def finished_job(world: World, account_id: str = ACCOUNT, **wanted: Any) -> str:
    job_id = world.running_job(WORKER, account_id, **wanted)
    world.hear(succeeded(WORKER, job_id, 1))
    world.storage.objects |= {f"stems/{job_id}/1/{name}.flac": b"0123456789" for name in ("vocals", "instrumental")}
    return job_id


def passed(world: World, days: float) -> None:
    """Time passes, and what runs in the background has its round."""
    world.clock.advance(days * DAY_SECONDS)
    Forgetter(world.database, world.settings).forget()
    world.deleter.delete_due()


def answer(world: World, job_id: str) -> Any:
    return world.client.get(f"/v1/jobs/{job_id}", headers=HEADERS).json()


def test_of_previews_the_newest_keep_their_stems(make_database: MakeDatabase) -> None:
    clock = Clock()
    with running_world(make_database("orchestrator", clock=clock), clock, previews_kept_per_account=2) as world:
        paid = finished_job(world)
        previews = [finished_job(world, mode="preview") for _ in range(4)]
        others = finished_job(world, new_id("usr"), mode="preview")
        # One that is deleted leaves room.
        world.client.delete(f"/v1/jobs/{previews.pop()}", headers=HEADERS)
        passed(world, 0)
        kept = {key.split("/")[1] for key in world.storage.objects}
        assert kept == {paid, *previews[1:], others}
        gone = world.client.get(f"/v1/jobs/{previews[0]}/stems/vocals", headers=HEADERS)
        assert (gone.status_code, gone.json()["code"]) == (404, "result_gone")
        assert answer(world, previews[0])["expires_at"] is not None
        assert answer(world, previews[1])["expires_at"] is None


def test_stems_go_when_their_time_is_over_and_the_job_says_when(make_database: MakeDatabase) -> None:
    clock = Clock()
    with running_world(make_database("orchestrator", clock=clock), clock, results_kept_days=7) as world:
        job_id = finished_job(world)
        job = answer(world, job_id)
        until = datetime.fromisoformat(job["expires_at"]) - datetime.fromisoformat(job["finished_at"])
        assert until == timedelta(days=7)
        stem = f"/v1/jobs/{job_id}/stems/vocals"

        passed(world, 6.9)
        assert world.client.get(stem, headers=HEADERS).status_code == 307

        passed(world, 0.2)
        assert world.storage.objects == {}
        for path in (stem, f"/v1/jobs/{job_id}/manifest", f"/v1/jobs/{job_id}/archive"):
            gone = world.client.get(path, headers=HEADERS)
            assert (gone.status_code, gone.json()["code"]) == (404, "result_gone")
        assert answer(world, job_id) == job


def test_stems_are_kept_where_nothing_is_said(world: World) -> None:
    job_id = finished_job(world)
    assert answer(world, job_id)["expires_at"] is None
    passed(world, 3650)
    assert len(world.storage.objects) == 2
    assert world.client.get(f"/v1/jobs/{job_id}/stems/vocals", headers=HEADERS).status_code == 307


def test_a_stream_tells_when_the_stems_go_with_its_last_event_alone(make_database: MakeDatabase) -> None:
    clock = Clock()
    with running_world(make_database("orchestrator", clock=clock), clock, results_kept_days=0.5) as world:
        job_id = finished_job(world)
        events = world.client.get(f"/internal/jobs/{job_id}/events", headers=HEADERS).json()["events"]
        told = [event["job"]["expires_at"] for event in events]
        assert told[-1] == answer(world, job_id)["expires_at"]
        assert set(told[:-1]) == {None}


def test_no_address_is_told_to_outlast_the_stem(world: World) -> None:
    job_id = finished_job(world)
    goes = datetime.now(UTC) + timedelta(seconds=60)
    with world.database.write() as session:
        session.get_one(Job, job_id).expires_at = goes
    headers = {**HEADERS, "Accept": "application/json"}
    link = world.client.get(f"/v1/jobs/{job_id}/stems/vocals", headers=headers).json()
    assert datetime.now(UTC) < datetime.fromisoformat(link["expires_at"]) <= goes


def unrun_job(world: World, account: str = ACCOUNT, *, settled: bool = True) -> str:
    """Canceled before any worker had it."""
    job_id = world.queued_job(account)
    assert world.client.post(f"/v1/jobs/{job_id}/cancel", headers=bearer(account)).status_code == 200
    if settled:
        world.settle(job_id, billing_pb2.SETTLEMENT_RELEASED)
    return job_id


def jobs_of(world: World, account: str = ACCOUNT) -> set[str]:
    return {job["id"] for job in world.client.get("/v1/jobs", headers=bearer(account)).json()["items"]}


def test_of_jobs_that_never_ran_an_account_keeps_the_newest(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They cost nothing, so anybody may order any number of them."""
    monkeypatch.setattr(deletions, "UNRUN_JOBS_KEPT", 2)
    other, ran = new_id("usr"), finished_job(world)
    others = {unrun_job(world, other) for _ in range(2)}
    unsettled = unrun_job(world, settled=False)
    unrun = [unrun_job(world) for _ in range(5)]
    passed(world, 1)
    assert jobs_of(world) == {ran, unsettled, *unrun[-2:]}
    assert jobs_of(world, other) == others
    passed(world, 30)
    assert (jobs_of(world), jobs_of(world, other)) == ({ran, unsettled}, set())


def test_batches_of_which_nothing_ran_are_forgotten_with_their_songs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletions, "FRUITLESS_BATCHES_KEPT", 1)
    balance = billing_pb2.Balance(available_credits=0, version=1)
    made = []
    for _ in range(3):
        batch = world.post_batch(ACCOUNT, [world.ready_upload(ACCOUNT)], metadata={"album": "7"})
        world.hear(
            billing_pb2.BatchReservationRefused(
                batch_id=batch["id"], account_id=ACCOUNT, code="insufficient_credits", detail="No.", balance=balance
            )
        )
        for job_id in jobs_of(world):
            world.settle(job_id, billing_pb2.SETTLEMENT_RELEASED)
        with world.database.write() as session:
            session.execute(delete(OUTBOX))  # it was sent
        world.pass_time(15)
        made.append(batch["id"])
    running = world.post_batch(ACCOUNT, [world.ready_upload(ACCOUNT)])
    world.grant_batch(running, ACCOUNT)

    def left() -> list[str]:
        answers = [world.client.get(f"/v1/batches/{batch_id}", headers=HEADERS) for batch_id in made]
        return [answer.json().get("status", "gone") for answer in answers if answer.status_code == 200]

    passed(world, 1)
    assert left() == ["rejected"]
    passed(world, 30)
    assert left() == []
    assert len(jobs_of(world)) == 1
    assert world.client.get(f"/v1/batches/{running['id']}", headers=HEADERS).json()["status"] == "running"


def test_what_never_ran_has_nothing_to_delete_and_a_round_deletes_all_that_is_due(world: World) -> None:
    for _ in range(3):
        unrun_job(world)

    def due() -> int:
        with world.database.read() as session:
            return session.scalar(select(func.count()).select_from(Deletion)) or 0

    assert due() == 0
    with world.database.write() as session:
        now = session.now()
        session.add_all(Deletion(prefix=f"stems/{number}/", due_at=now) for number in range(250))
    world.deleter.delete_due()
    assert due() == 0


def test_a_store_that_refuses_is_not_asked_for_all_that_is_due(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuse(prefix: str) -> int:
        asked.append(prefix)
        raise StorageUnavailable("away")

    monkeypatch.setattr(world.storage, "delete_prefix", refuse)
    with world.database.write() as session:
        now = session.now()
        session.add_all(Deletion(prefix=f"stems/{number}/", due_at=now) for number in range(250))
    world.deleter.delete_due()
    assert len(asked) == 100
