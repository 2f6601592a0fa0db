"""Whose batches the tests order, and how the songs of one are read and ended."""

from typing import Any

from services.kit.ids import new_id
from services.kit.protos import billing_pb2
from tests.services.orchestrator.siblings import failed, succeeded
from tests.services.orchestrator.world import World, bearer

WORKER = new_id("wrk")
ADA, EVE = new_id("usr"), new_id("usr")
BALANCE = billing_pb2.Balance(available_credits=500, version=1)


def told(world: World, kind: str) -> list[Any]:
    """Data of the events of this type that were told since the last call."""
    return [event.data for event in world.told() if event.type.endswith(kind)]


def songs_of(world: World, batch: Any, account_id: str = ADA, **query: Any) -> Any:
    answer = world.client.get(f"/v1/batches/{batch['id']}", params=query, headers=bearer(account_id))
    assert answer.status_code == 200, answer.text
    return answer.json()


def end(world: World, job_id: str, *, good: bool = True) -> None:
    """A worker takes the next job and ends it; it has to be this one."""
    world.beat(WORKER)
    assert world.dispatcher.place()
    job = world.job(job_id)
    assert job.worker_id is not None, "another job was placed"
    message = (
        succeeded(job.worker_id, job_id, job.attempt)
        if good
        else failed(job.worker_id, job_id, job.attempt, "bad_song", retryable=False)
    )
    world.hear(message)
    world.settle(job_id, billing_pb2.SETTLEMENT_CAPTURED if good else billing_pb2.SETTLEMENT_RELEASED)
