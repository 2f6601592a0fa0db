"""Fast and relaxed: what each costs, and which goes first."""

from typing import Any

import pytest

from services.kit.ids import new_id
from services.kit.protos import billing_pb2
from services.orchestrator.jobs.states import Status
from services.orchestrator.queue.placement import RELAXED_SECONDS
from tests.services.orchestrator.siblings import MODEL, rate
from tests.services.orchestrator.world import World, bearer


@pytest.fixture
def account(world: World) -> str:
    account = new_id("usr")
    told = billing_pb2.Balance(available_credits=10_000, version=1, previews_left=3)
    world.hear(billing_pb2.BalanceChanged(account_id=account, balance=told))
    return account


def _price(world: World, account: str, upload: str, **wanted: Any) -> int:
    answer = world.client.post("/v1/quotes", json={"upload_id": upload, **wanted}, headers=bearer(account))
    assert answer.status_code == 200, answer.text
    price: int = answer.json()["price_credits"]
    return price


def test_each_tier_has_its_price_which_a_quote_binds(world: World, account: str) -> None:
    world.tell_rates(rate(1000), rate(500, tier="relaxed"))
    upload = world.ready_upload(account, seconds=90.5)

    assert _price(world, account, upload) == _price(world, account, upload, tier="fast") == 91
    assert _price(world, account, upload, tier="relaxed") == 46
    world.tell_rates(rate(3000), rate(2000, tier="relaxed"))
    assert _price(world, account, upload) == 91
    relaxed, fast = world.post_job(account, upload, tier="relaxed"), world.post_job(account, upload)
    assert (relaxed["price_credits"], relaxed["tier"]) == (46, "relaxed")
    assert (fast["price_credits"], fast["tier"]) == (91, "fast")


def test_the_rate_of_the_tier_counts_before_that_of_the_model(world: World, account: str) -> None:
    upload = world.ready_upload(account, seconds=100)
    world.tell_rates(rate(1000), rate(2000, MODEL), rate(700, tier="relaxed"), rate(800, "other", tier="relaxed"))
    assert _price(world, account, upload, tier="relaxed") == 70

    world.tell_rates(rate(1000), rate(100, MODEL), rate(700, tier="relaxed"), rate(90, MODEL, tier="relaxed"))
    assert _price(world, account, upload, tier="relaxed") == 9


def test_a_tier_without_a_rate_costs_what_fast_does(world: World, account: str) -> None:
    upload = world.ready_upload(account, seconds=100)
    world.tell_rates(rate(1000), rate(2000, MODEL))
    assert _price(world, account, upload, tier="relaxed") == 200


def test_a_tier_that_there_is_not_is_refused(world: World, account: str) -> None:
    upload = world.ready_upload(account)
    for path in ("/v1/quotes", "/v1/jobs"):
        for tier in ("slow", "", None, 1, "FAST"):
            answer = world.client.post(path, json={"upload_id": upload, "tier": tier}, headers=bearer(account))
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), (path, tier)


def test_the_public_event_and_a_retry_keep_the_tier(world: World, account: str) -> None:
    job = world.queued_job(account, tier="relaxed")
    queued = next(event for event in world.told() if event.type == "job.queued")
    assert queued.data["job"]["tier"] == "relaxed"

    world.client.post(f"/v1/jobs/{job}/cancel", headers=bearer(account))
    again = world.client.post(f"/v1/jobs/{job}/retry", headers=bearer(account)).json()
    assert (again["retry_of"], again["tier"]) == (job, "relaxed")


def test_relaxed_work_waits_for_fast_work_and_not_for_ever(world: World, account: str) -> None:
    relaxed = world.queued_job(account, tier="relaxed")
    world.pass_time(60)
    fast = world.queued_job(tier="fast")
    world.beat("wrk_" + "0" * 26)

    assert world.dispatcher.place()
    assert (world.job(fast).state, world.job(relaxed).state) == (Status.RUNNING, Status.QUEUED)

    world.clock.advance(RELAXED_SECONDS)
    late = world.queued_job(tier="fast")
    world.beat("wrk_" + "1" * 26)
    assert world.dispatcher.place()
    assert (world.job(late).state, world.job(relaxed).state) == (Status.QUEUED, Status.RUNNING)
