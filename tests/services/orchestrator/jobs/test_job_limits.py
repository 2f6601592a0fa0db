"""What one account may have open, and many requests at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text, update

from services.kit.idempotency import WAITING_MAX
from services.kit.ids import new_id
from services.kit.protos import uploads_pb2
from services.kit.tables import OUTBOX
from services.orchestrator.jobs import repository
from services.orchestrator.uploads.models import KnownUpload
from tests.clocks import Clock
from tests.databases import MakeDatabase
from tests.services.orchestrator.siblings import succeeded
from tests.services.orchestrator.world import World, bearer, running_world

WORKER = new_id("wrk")


def test_one_key_sent_twenty_times_makes_one_job(world: World) -> None:
    account = new_id("usr")
    upload = world.ready_upload(account)
    world.told()

    def send(_: int) -> tuple[int, str | None]:
        answer = world.client.post(
            "/v1/jobs", json={"upload_id": upload}, headers={**bearer(account), "Idempotency-Key": "k1"}
        )
        return answer.status_code, answer.json().get("id")

    with ThreadPoolExecutor(1 + WAITING_MAX) as pool:
        answers = set(pool.map(send, range(20)))
    assert len(answers) == 1
    assert answers.pop()[0] == 202
    assert world.types_told() == ["ReservationRequested"]
    other = world.client.post(
        "/v1/jobs",
        json={"upload_id": upload, "stems": ["vocals"]},
        headers={**bearer(account), "Idempotency-Key": "k1"},
    )
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")


@pytest.fixture
def narrow(make_database: MakeDatabase) -> Iterator[World]:
    """An orchestrator with room for few jobs of an account."""
    clock = Clock()
    limits: dict[str, Any] = {"open_jobs_per_account": 5, "waiting_jobs_per_account": 3}
    with running_world(make_database("orchestrator", clock=clock), clock, **limits) as world:
        yield world


def statuses(world: World, account: str, upload: str, count: int) -> list[int]:
    def post(_number: int) -> int:
        return int(world.client.post("/v1/jobs", json={"upload_id": upload}, headers=bearer(account)).status_code)

    with ThreadPoolExecutor(8) as pool:
        return sorted(pool.map(post, range(count)))


def test_open_jobs_of_an_account_are_bounded_under_parallel_requests(narrow: World) -> None:
    account = new_id("usr")
    upload = narrow.ready_upload(account)
    assert statuses(narrow, account, upload, 12) == [202] * 5 + [429] * 7
    refused = narrow.client.post("/v1/jobs", json={"upload_id": upload}, headers=bearer(account))
    assert (refused.json()["code"], refused.headers["retry-after"]) == ("too_many_open_jobs", "10")
    other = new_id("usr")
    assert statuses(narrow, other, narrow.ready_upload(other), 1) == [202]


def test_jobs_that_wait_for_an_upload_are_bounded(narrow: World) -> None:
    account, upload = new_id("usr"), new_id("upl")
    narrow.hear(uploads_pb2.UploadCreated(upload_id=upload, account_id=account))
    assert statuses(narrow, account, upload, 8) == [202] * 3 + [429] * 5
    refused = narrow.client.post("/v1/jobs", json={"upload_id": upload}, headers=bearer(account))
    assert refused.json()["code"] == "too_many_waiting_jobs"
    narrow.make_ready(account, upload)
    assert statuses(narrow, account, upload, 3) == [202] * 2 + [429]


@pytest.mark.parametrize(
    ("word", "status"), [("ready", "reserving"), ("rejected", "rejected"), ("deleted", "rejected")]
)
def test_more_jobs_than_one_transaction_should_see_to_get_their_price_or_end_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch, word: str, status: str
) -> None:
    monkeypatch.setattr(repository, "AT_ONCE", 2)
    account, upload = new_id("usr"), new_id("upl")
    world.hear(uploads_pb2.UploadCreated(upload_id=upload, account_id=account))
    jobs = [world.post_job(account, upload)["id"] for _ in range(5)]
    if word == "ready":
        world.make_ready(account, upload, seconds=10.0)
    elif word == "rejected":
        world.hear(uploads_pb2.UploadRejected(upload_id=upload, account_id=account, code="no_audio", reason="No."))
    else:
        world.hear(uploads_pb2.UploadDeleted(upload_id=upload, account_id=account))
    assert sum(world.job(job).price_credits is None and world.job(job).status == "reserving" for job in jobs) == 3
    with world.database.write() as session:
        session.execute(update(OUTBOX).values(published_at=session.now()))
    world.pass_time(120)
    assert {world.job(job).status for job in jobs} == {status}
    assert {world.job(job).price_credits for job in jobs} == ({10} if word == "ready" else {None})


@pytest.mark.parametrize("analyzed", [False, True])
def test_jobs_of_one_age_go_as_they_were_ordered_whatever_the_database_plans(world: World, analyzed: bool) -> None:
    jobs = [world.queued_job() for _ in range(8)]
    if analyzed:
        # As PostgreSQL's own housekeeping does every minute: now it groups by hashes, and no longer by an index.
        with world.database.write() as session:
            session.execute(text("ANALYZE jobs"))
    for expected in jobs:
        world.beat(WORKER)
        assert world.dispatcher.place()
        assert world.job(expected).status == "running"
        world.hear(succeeded(WORKER, expected, 1))


def test_a_job_that_cannot_be_placed_fails_and_the_others_are_placed(world: World) -> None:
    bad, good = world.queued_job(), world.queued_job()
    with world.database.write() as session:
        session.execute(
            update(KnownUpload).where(KnownUpload.id == world.job(bad).upload_id).values(sha256="no digest")
        )
    world.beat(WORKER)
    while world.dispatcher.place():
        pass
    assert (world.job(bad).status, world.job(bad).error_code) == ("failed", "internal")
    assert world.job(good).status == "running"
