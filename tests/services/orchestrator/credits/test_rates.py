"""Prices are accounts' word: heard, asked for while unknown, and each from its moment on."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from services.kit.ids import new_id
from services.kit.protos import billing_pb2, prices_pb2, uploads_pb2
from services.kit.tables import OUTBOX
from services.orchestrator.credits.models import KnownRate
from services.orchestrator.credits.rates import STALE_AFTER, RatesWatch
from tests.clocks import Clock
from tests.databases import MakeDatabase
from tests.services.orchestrator.siblings import MODEL, rate
from tests.services.orchestrator.world import World, bearer, running_world


@pytest.fixture
def unaware(make_database: MakeDatabase) -> Iterator[World]:
    """An orchestrator that has heard of no rate yet."""
    clock = Clock()
    with running_world(make_database("orchestrator", clock=clock), clock, rates_known=False) as made:
        yield made


def an_account(world: World) -> str:
    account = new_id("usr")
    told = billing_pb2.Balance(available_credits=10_000, version=1, previews_left=3)
    world.hear(billing_pb2.BalanceChanged(account_id=account, balance=told))
    return account


def ask_price(world: World, account: str, upload: str, **more: Any) -> Any:
    return world.client.post("/v1/quotes", json={"upload_id": upload, **more}, headers=bearer(account))


def price(world: World, account: str, upload: str, **more: Any) -> tuple[int, float]:
    answer = ask_price(world, account, upload, **more)
    assert answer.status_code == 200, answer.text
    quote = answer.json()
    return quote["price_credits"], quote["credits_per_second"]


def test_a_song_costs_what_accounts_says(world: World) -> None:
    account = an_account(world)
    told = rate(1500)
    world.tell_rates(told)
    upload = world.ready_upload(account, seconds=90.5)

    quote = ask_price(world, account, upload).json()

    assert (quote["price_credits"], quote["rate_id"], quote["credits_per_second"]) == (136, told.rate_id, 1.5)
    job = world.post_job(account, upload)
    assert job["price_credits"] == 136
    assert world.job(job["id"]).rate_id == told.rate_id


def test_a_model_has_its_own_rate_and_every_other_one_that_of_all(world: World) -> None:
    account = an_account(world)
    world.beat(new_id("wrk"), models=(MODEL, "other-model"))
    world.tell_rates(rate(1000), rate(2000, "other-model"), rate(9000, "unknown-model"))
    upload = world.ready_upload(account, seconds=60)

    assert price(world, account, upload) == (60, 1.0)
    assert price(world, account, upload, model=MODEL) == (60, 1.0)
    assert price(world, account, upload, model="other-model") == (120, 2.0)
    assert world.post_job(account, upload, model="other-model")["price_credits"] == 120
    assert world.post_job(account, upload)["price_credits"] == 60
    refused = ask_price(world, account, upload, model="unknown-model")
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_model")


def test_a_rate_that_begins_later_counts_from_its_moment_on(world: World) -> None:
    account, now = an_account(world), world.clock()
    change = now + timedelta(hours=1)
    world.tell_rates(rate(1000, ends=change), rate(3000, begins=change))

    before = world.post_job(account, world.ready_upload(account, seconds=10))
    world.clock.advance(3600)
    after = world.post_job(account, world.ready_upload(account, seconds=10))

    assert (before["price_credits"], after["price_credits"]) == (10, 30)


def test_a_job_that_waits_for_its_song_costs_what_it_did_when_it_was_made(world: World) -> None:
    account = an_account(world)
    upload = new_id("upl")
    world.hear(uploads_pb2.UploadCreated(upload_id=upload, account_id=account))
    job = world.post_job(account, upload)
    world.clock.advance(60)
    now = world.clock()
    world.tell_rates(rate(1000, ends=now), rate(5000, begins=now))

    world.make_ready(account, upload, seconds=10)

    assert world.job(job["id"]).price_credits == 10
    assert world.post_job(account, upload)["price_credits"] == 50


def test_before_any_rate_is_known_quotes_wait_and_jobs_too(unaware: World) -> None:
    account = an_account(unaware)
    upload = unaware.ready_upload(account, seconds=10)
    unaware.told()

    refused = ask_price(unaware, account, upload)
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert int(refused.headers["Retry-After"]) >= 1
    answer = unaware.client.post("/v1/jobs", json={"upload_id": upload}, headers=bearer(account))
    assert (answer.status_code, answer.json()["price_credits"]) == (202, None)
    assert unaware.types_told() == ["RatesRequested", "RatesRequested"]
    preview = unaware.post_job(account, upload, mode="preview")
    assert preview["price_credits"] == 0

    unaware.tell_rates(rate(2000))
    assert price(unaware, account, upload) == (20, 2.0)
    unaware.pass_time(6)
    assert unaware.job(answer.json()["id"]).price_credits == 20


def test_an_older_list_that_comes_late_changes_nothing(world: World) -> None:
    account = an_account(world)
    old = prices_pb2.RatesTold(product="separation", rates=[rate(1000)])
    old.told_at.FromDatetime(world.clock())
    world.clock.advance(1)
    world.tell_rates(rate(2000), rate(4000, "other-model"))

    for _ in range(3):
        world.hear(old)

    assert price(world, account, world.ready_upload(account, seconds=10)) == (20, 2.0)


def test_a_list_told_again_stands_as_it_was(world: World) -> None:
    rates = [rate(1000), rate(2000, "other-model")]
    for _ in range(2):
        world.tell_rates(*rates, rates[0])
    with world.database.read() as session:
        known = {row.id: row.millicredits_per_second for row in session.scalars(select(KnownRate))}
    assert known == {told.rate_id: told.millicredits_per_second for told in rates}


def test_the_list_is_asked_for_until_it_is_heard_and_again_when_it_is_old(unaware: World) -> None:
    watch = RatesWatch(unaware.database, 1.0)

    def asked() -> int:
        watch.look()
        with unaware.database.write() as session:
            session.execute(update(OUTBOX).values(published_at=session.now()))
        return unaware.types_told().count("RatesRequested")

    assert (asked(), asked()) == (1, 1)
    unaware.tell_rates(rate())
    assert asked() == 0
    unaware.clock.advance(STALE_AFTER.total_seconds())
    assert asked() == 1


def test_while_the_event_log_is_away_questions_do_not_pile_up(unaware: World) -> None:
    watch = RatesWatch(unaware.database, 1.0)
    for _ in range(5):
        watch.look()
        unaware.clock.advance(11)
    assert unaware.types_told() == ["RatesRequested"]
