"""What a preview has separated is not charged again: once for an upload, within a day, and given back."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select

from services.kit.ids import new_id
from services.kit.protos import billing_pb2, uploads_pb2
from services.orchestrator.credits.models import PreviewCredit
from services.orchestrator.results.deletions import Forgetter
from tests.services.orchestrator.siblings import failed, rate, succeeded
from tests.services.orchestrator.world import World, bearer

WORKER = new_id("wrk")
DAY = 24 * 3600


@pytest.fixture
def account(world: World) -> str:
    account = new_id("usr")
    told = billing_pb2.Balance(available_credits=1000, version=1, previews_left=3)
    world.hear(billing_pb2.BalanceChanged(account_id=account, balance=told))
    return account


@pytest.fixture
def upload(world: World, account: str) -> str:
    """A song that costs 91 credits."""
    return world.ready_upload(account, seconds=90.5)


def quote(world: World, account: str, upload: str, **more: Any) -> tuple[int, int]:
    """Its price, and what was deducted."""
    answer = world.client.post("/v1/quotes", json={"upload_id": upload, **more}, headers=bearer(account))
    assert answer.status_code == 200, answer.text
    return answer.json()["price_credits"], answer.json()["preview_credit_credits"]


def order(world: World, account: str, upload: str, **more: Any) -> tuple[str, int, int]:
    """A full job, its price, and what was deducted."""
    job = world.post_job(account, upload, **more)
    return job["id"], job["price_credits"], job["preview_credit_credits"]


def run(world: World, job_id: str, outcome: Any = succeeded, **how: Any) -> None:
    """A worker takes the job, and ends it."""
    world.grant({"id": job_id, "price_credits": world.job(job_id).price_credits})
    world.beat(WORKER)
    assert world.dispatcher.place()
    world.beat(WORKER, running=[(job_id, 1)])
    world.hear(outcome(WORKER, job_id, 1, **how))


def preview(world: World, account: str, upload: str, seconds: float = 30.0) -> str:
    """A preview that succeeds."""
    wanted = {"start_seconds": 0.0, "duration_seconds": seconds}
    job_id = str(world.post_job(account, upload, mode="preview", preview=wanted)["id"])
    run(world, job_id)
    return job_id


def test_the_seconds_of_a_preview_are_deducted_from_the_full_run_of_the_same_upload(
    world: World, account: str, upload: str
) -> None:
    other = world.ready_upload(account, seconds=90.5)
    assert quote(world, account, upload) == (91, 0)

    preview(world, account, upload)

    assert quote(world, account, upload) == (61, 30)
    assert quote(world, account, other) == (91, 0)
    job_id, price, deducted = order(world, account, upload)
    assert (price, deducted) == (61, 30)
    shown = world.client.get(f"/v1/jobs/{job_id}", headers=bearer(account)).json()
    assert (shown["price_credits"], shown["preview_credit_credits"]) == (61, 30)
    requests = [event.data for event in world.told() if event.type.endswith("ReservationRequested")]
    assert requests[-1].price_credits == 61


def test_it_is_deducted_without_a_quote_too(world: World, account: str, upload: str) -> None:
    preview(world, account, upload)
    assert order(world, account, upload)[1:] == (61, 30)


def test_a_quote_from_before_the_preview_binds_and_is_lowered_by_it(world: World, account: str, upload: str) -> None:
    quote(world, account, upload)
    world.tell_rates(rate(2000))
    preview(world, account, upload)
    assert order(world, account, upload)[1:] == (61, 30)


def test_it_is_worth_what_its_seconds_cost_by_the_rate_of_the_full_run(world: World, account: str, upload: str) -> None:
    preview(world, account, upload, seconds=10.5)
    world.tell_rates(rate(2000))
    assert quote(world, account, upload) == (181 - 21, 21)


def test_of_several_previews_the_longest_counts(world: World, account: str, upload: str) -> None:
    for seconds in (10.0, 30.0, 20.0):
        preview(world, account, upload, seconds)
    assert quote(world, account, upload) == (61, 30)


def test_only_previews_are_free_so_a_credit_is_left_to_pay(world: World, account: str) -> None:
    short = world.ready_upload(account, seconds=12.0)
    preview(world, account, short)
    assert quote(world, account, short) == (1, 11)


def test_a_preview_that_did_not_succeed_is_worth_nothing(world: World, account: str, upload: str) -> None:
    broken = world.post_job(account, upload, mode="preview")["id"]
    run(world, broken, failed, code="defect", retryable=False)
    canceled = world.post_job(account, upload, mode="preview")["id"]
    world.client.post(f"/v1/jobs/{canceled}/cancel", headers=bearer(account))
    assert quote(world, account, upload) == (91, 0)


def test_the_second_full_run_pays_in_full_and_no_later_preview_changes_that(
    world: World, account: str, upload: str
) -> None:
    preview(world, account, upload)
    assert quote(world, account, upload) == (61, 30)
    first, price, _ = order(world, account, upload)
    assert price == 61

    assert order(world, account, upload)[1:] == (91, 0)
    assert quote(world, account, upload) == (91, 0)
    run(world, first)
    world.settle(first, billing_pb2.SETTLEMENT_CAPTURED)
    world.client.delete(f"/v1/jobs/{first}", headers=bearer(account))
    world.clock.advance(3 * DAY)
    Forgetter(world.database, world.settings).forget()
    preview(world, account, upload)
    assert quote(world, account, upload) == (91, 0)


@pytest.mark.parametrize("end", ["canceled", "failed", "rejected", "deleted"])
def test_a_full_run_that_does_not_succeed_gives_it_back(world: World, account: str, upload: str, end: str) -> None:
    preview(world, account, upload)
    job_id, price, _ = order(world, account, upload)
    assert (price, quote(world, account, upload)) == (61, (91, 0))

    if end == "canceled":
        world.client.post(f"/v1/jobs/{job_id}/cancel", headers=bearer(account))
    elif end == "deleted":
        world.client.delete(f"/v1/jobs/{job_id}", headers=bearer(account))
    elif end == "failed":
        run(world, job_id, failed, code="defect", retryable=False)
    else:
        world.hear(billing_pb2.ReservationRefused(job_id=job_id, account_id=account, code="insufficient_credits"))

    assert quote(world, account, upload) == (61, 30)
    if end in ("canceled", "failed"):
        again = world.client.post(f"/v1/jobs/{job_id}/retry", headers=bearer(account)).json()
        assert (again["price_credits"], again["preview_credit_credits"]) == (61, 30)


def test_a_day_later_it_is_worth_nothing_but_a_quote_holds(world: World, account: str, upload: str) -> None:
    preview(world, account, upload)
    world.clock.advance(DAY - 60)
    assert quote(world, account, upload) == (61, 30)
    world.clock.advance(60)

    assert quote(world, account, upload) == (61, 30)
    assert order(world, account, upload)[1:] == (61, 30)
    assert order(world, account, upload)[1:] == (91, 0)


def test_a_day_later_it_is_worth_nothing_and_forgotten_in_the_end(world: World, account: str, upload: str) -> None:
    preview(world, account, upload)
    world.clock.advance(DAY)
    assert quote(world, account, upload) == (91, 0)
    assert order(world, account, upload)[1:] == (91, 0)
    world.clock.advance(DAY)
    Forgetter(world.database, world.settings).forget()
    with world.database.read() as session:
        assert session.scalar(select(func.count()).select_from(PreviewCredit)) == 0


def test_with_its_upload_it_is_forgotten(world: World, account: str, upload: str) -> None:
    preview(world, account, upload)
    order(world, account, upload)
    world.hear(uploads_pb2.UploadDeleted(upload_id=upload, account_id=account))
    Forgetter(world.database, world.settings).forget()
    with world.database.read() as session:
        assert session.scalar(select(func.count()).select_from(PreviewCredit)) == 0


def test_of_orders_at_once_one_has_it(world: World, account: str, upload: str) -> None:
    preview(world, account, upload)
    with ThreadPoolExecutor(8) as pool:
        prices = sorted(pool.map(lambda _: order(world, account, upload)[1], range(8)))
    assert prices == [61] + [91] * 7
