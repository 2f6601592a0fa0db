"""What the orchestrator tells of the queue and of those who work on it, when its metrics are read."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import REGISTRY
from sqlalchemy.exc import OperationalError

from services.kit.database import ReadSession
from services.kit.ids import new_id
from services.orchestrator.queue.measures import queue_measures
from tests.databases import on_sqlite
from tests.services.orchestrator.siblings import MODEL, succeeded
from tests.services.orchestrator.world import World

WORKER = "wrk_" + "7" * 26


@pytest.fixture
def account() -> str:
    return new_id("usr")


def read(world: World) -> None:
    for measure in queue_measures(world.database, world.settings):
        measure.renew()


def shown(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"stemwright_{name}", labels)


def by_tier(name: str, **labels: str) -> dict[str, float | None]:
    return {tier: shown(name, **labels, tier=tier) for tier in ("fast", "relaxed")}


def test_what_is_outstanding_is_told_by_model_and_tier_and_of_what_runs_the_rest(world: World, account: str) -> None:
    read(world)
    assert by_tier("outstanding_audio_seconds", model=MODEL) == {"fast": 0.0, "relaxed": 0.0}
    world.running_job(WORKER, account)  # half of it is done
    world.queued_job(account, tier="relaxed")
    world.clock.advance(7)
    world.queued_job(account)
    read(world)
    assert by_tier("outstanding_audio_seconds", model=MODEL) == {"fast": 90.5 + 90.5 / 2, "relaxed": 90.5}
    assert by_tier("queue_audio_seconds") == {"fast": 90.5, "relaxed": 90.5}
    assert by_tier("queue_oldest_seconds") == {"fast": 0.0, "relaxed": 7.0}
    assert [shown("jobs_open", status=status) for status in ("queued", "running")] == [2.0, 1.0]
    assert shown("outstanding_measured_timestamp_seconds") == world.clock().timestamp()


@on_sqlite
def test_workers_and_their_free_slots_are_told(world: World) -> None:
    world.running_job(WORKER)
    world.beat(new_id("wrk"), slots=3, models=[MODEL, "another"])
    world.beat(new_id("wrk"), stopping=True)
    read(world)
    assert {state: shown("workers", state=state) for state in ("live", "stopping", "drained")} == {
        "live": 2.0,
        "stopping": 1.0,
        "drained": 0.0,
    }
    assert {model: (shown("slots", model=model), shown("slots_free", model=model)) for model in (MODEL, "another")} == {
        MODEL: (4.0, 3.0),
        "another": (3.0, 3.0),
    }
    world.clock.advance(world.settings.worker_expiry_seconds + 1)
    read(world)
    assert [shown("workers", state="live"), shown("slots_free", model=MODEL)] == [0.0, 0.0]
    assert shown("slots", model="another") is None


@on_sqlite
def test_while_the_database_is_away_nothing_old_is_told_but_since_when(
    world: World, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.queued_job(account)
    read(world)
    known = shown("outstanding_measured_timestamp_seconds")
    assert shown("outstanding_audio_seconds", model=MODEL, tier="fast") == 90.5

    @contextmanager
    def away() -> Iterator[ReadSession]:
        raise OperationalError("SELECT", {}, ConnectionError("no route to host"))
        yield

    world.clock.advance(60)
    monkeypatch.setattr(world.database, "read", away)
    read(world)
    assert shown("outstanding_audio_seconds", model=MODEL, tier="fast") is None
    assert shown("jobs_open", status="queued") is None
    assert math.isnan(shown("outbox_oldest_unpublished_seconds") or 0.0)
    assert shown("outstanding_measured_timestamp_seconds") == known


@on_sqlite
def test_how_long_jobs_wait_and_last_is_counted(world: World, account: str) -> None:
    def counted() -> list[float]:
        labels = {"mode": "full", "tier": "fast"}
        lasted = shown("job_seconds_sum", **labels, status="succeeded")
        return [shown("job_start_seconds_sum", **labels) or 0.0, lasted or 0.0]

    before = counted()
    job = world.queued_job(account)
    world.clock.advance(5)
    world.beat(WORKER)
    assert world.dispatcher.place()
    world.clock.advance(20)
    world.hear(succeeded(WORKER, job, 1))
    assert [now - earlier for now, earlier in zip(counted(), before, strict=True)] == [5.0, 25.0]
