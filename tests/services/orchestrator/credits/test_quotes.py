"""A quote binds until it expires, whatever separations cost meanwhile."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from services.kit.ids import new_id
from services.kit.protos import billing_pb2
from services.orchestrator.credits.models import StandingQuote
from services.orchestrator.results.deletions import Forgetter
from tests.services.orchestrator.siblings import rate
from tests.services.orchestrator.world import World, bearer


@pytest.fixture
def account(world: World) -> str:
    account = new_id("usr")
    told = billing_pb2.Balance(available_credits=100, version=1, previews_left=3)
    world.hear(billing_pb2.BalanceChanged(account_id=account, balance=told))
    return account


def _quote(world: World, account: str, upload: str, mode: str = "full") -> dict[str, Any]:
    answer = world.client.post("/v1/quotes", json={"upload_id": upload, "mode": mode}, headers=bearer(account))
    assert answer.status_code == 200, answer.text
    quote: dict[str, Any] = answer.json()
    return quote


def _quoted_before_the_price_rose(world: World, account: str, upload: str) -> dict[str, Any]:
    """A quote from a moment ago when the song of 91 credits cost 46."""
    world.tell_rates(rate(500))
    _quote(world, account, upload)
    world.tell_rates(rate(1000))
    return _quote(world, account, upload)


def test_a_job_costs_what_was_quoted(world: World, account: str) -> None:
    upload = world.ready_upload(account, seconds=90.5)
    quote = _quoted_before_the_price_rose(world, account, upload)

    assert (quote["price_credits"], quote["affordable"], quote["reason"]) == (46, True, None)
    assert world.post_job(account, upload)["price_credits"] == 46
    assert world.post_job(account, upload, mode="preview")["price_credits"] == 0


def test_an_expired_quote_binds_nobody_and_is_forgotten(world: World, account: str) -> None:
    upload = world.ready_upload(account, seconds=90.5)
    quote = _quoted_before_the_price_rose(world, account, upload)
    left = datetime.fromisoformat(quote["expires_at"]) - world.clock()
    assert timedelta(0) < left <= timedelta(minutes=15)

    world.clock.advance(left.total_seconds())

    assert world.post_job(account, upload)["price_credits"] == 91
    Forgetter(world.database, world.settings).forget()
    with world.database.read() as session:
        assert session.scalars(select(StandingQuote)).all() == []
    assert _quote(world, account, upload)["price_credits"] == 91


def test_asking_again_is_no_way_to_keep_an_old_price(world: World, account: str) -> None:
    upload = world.ready_upload(account, seconds=90.5)
    quote = _quoted_before_the_price_rose(world, account, upload)
    world.clock.advance(60)

    assert _quote(world, account, upload) == quote


def test_a_job_costs_what_was_quoted_also_where_it_would_cost_less_now(world: World, account: str) -> None:
    upload = world.ready_upload(account, seconds=90.5)
    _quote(world, account, upload)
    world.tell_rates(rate(100))

    assert world.post_job(account, upload)["price_credits"] == 91
    assert _quote(world, account, upload)["price_credits"] == 10
    assert world.post_job(account, upload)["price_credits"] == 10


def test_a_quote_at_the_present_price_is_renewed(world: World, account: str) -> None:
    upload = world.ready_upload(account, seconds=90.5)
    first = _quote(world, account, upload)
    world.clock.advance(60)
    second = _quote(world, account, upload)

    apart = datetime.fromisoformat(second["expires_at"]) - datetime.fromisoformat(first["expires_at"])
    assert apart == timedelta(minutes=1)


def test_a_quote_is_of_one_upload_and_mode(world: World, account: str) -> None:
    upload, other = (world.ready_upload(account, seconds=90.5) for _ in range(2))
    _quoted_before_the_price_rose(world, account, upload)

    assert _quote(world, account, other)["price_credits"] == 91
    assert _quote(world, account, upload, "preview")["price_credits"] == 0
