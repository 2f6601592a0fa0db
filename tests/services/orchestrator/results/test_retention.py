"""Stems are kept for a time where the operator says so, and else until their job is deleted."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.kit.ids import new_id
from services.orchestrator.jobs.models import Job
from services.orchestrator.results.deletions import Forgetter
from tests.clocks import Clock
from tests.databases import MakeDatabase
from tests.services.orchestrator.siblings import succeeded
from tests.services.orchestrator.world import World, running_world

WORKER, ACCOUNT = new_id("wrk"), new_id("usr")
HEADERS = {"Authorization": f"Bearer {ACCOUNT}"}
DAY_SECONDS = 86_400.0


def finished_job(world: World) -> str:
    job_id = world.running_job(WORKER, ACCOUNT)
    world.hear(succeeded(WORKER, job_id, 1))
    world.storage.objects |= {f"stems/{job_id}/1/{name}.flac": b"0123456789" for name in ("vocals", "instrumental")}
    return job_id


def passed(world: World, days: float) -> None:
    """Time passes, and what runs in the background has its round."""
    world.clock.advance(days * DAY_SECONDS)
    Forgetter(world.database).forget()
    world.deleter.delete_due()


def answer(world: World, job_id: str) -> Any:
    return world.client.get(f"/v1/jobs/{job_id}", headers=HEADERS).json()


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
