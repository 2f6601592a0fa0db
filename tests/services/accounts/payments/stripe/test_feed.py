"""What Stripe tells and nobody hears is found in its list of events, once, in whatever order it comes."""

import logging

import pytest

from services.accounts.payments import feed
from services.accounts.payments.models import ProviderFeed
from tests.clocks import Clock
from tests.services.accounts.conftest import in_parallel
from tests.services.accounts.ledger.billing_cases import assert_books_add_up
from tests.services.accounts.payments.stripe.shop import Shop


def read(shop: Shop, clock: Clock, rounds: int = 1) -> None:
    for _ in range(rounds):
        clock.advance(minutes=2)
        shop.made.feed.read()


@pytest.mark.parametrize("webhooks", ["never", "before", "after", "both"])
def test_renewals_refunds_and_disputes_are_found_and_applied_once(shop: Shop, clock: Clock, webhooks: str) -> None:
    pack, pack_session = shop.order()
    shop.tell(*shop.double.pay(pack_session))
    subscription_id = shop.subscribe()
    unheard = [
        *shop.double.renew(subscription_id),
        *shop.double.refund(str(shop.payment(pack).payment_ref), 100),
        *shop.double.dispute(str(shop.payment(pack).payment_ref)),
        *shop.double.change(subscription_id, cancel_at_period_end=True),
    ]

    if webhooks in ("before", "both"):
        shop.tell(*reversed(unheard))
    read(shop, clock, rounds=3)
    if webhooks in ("after", "both"):
        shop.tell(*unheard, times=2)
    read(shop, clock)

    payment = shop.payment(pack)
    assert (payment.refunded_minor, payment.disputed, payment.returned_credits) == (100, True, 3600)
    assert shop.subscription().ends_with_period
    assert shop.credits == 600 + 2 * 18_000
    assert sorted(shop.written()) == ["disputed", "payment", "payment", "payment"]
    assert_books_add_up(shop.money)


def test_a_round_reads_no_more_than_its_pages_and_goes_on_where_it_was(
    shop: Shop, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "PAGES_A_ROUND", 1)
    subscription_id = shop.subscribe()
    for _ in range(4):
        shop.double.renew(subscription_id)  # two events each, three on a page

    granted = []
    for _ in range(5):
        before = len([call for call in shop.double.calls if call[1] == "/v1/events"])
        read(shop, clock)
        assert len([call for call in shop.double.calls if call[1] == "/v1/events"]) == before + 1
        granted.append(shop.credits)

    assert granted[0] < granted[-1] == 600 + 5 * 18_000
    assert_books_add_up(shop.money)


def test_what_was_read_is_not_read_again(shop: Shop, clock: Clock) -> None:
    shop.double.renew(shop.subscribe())
    read(shop, clock)
    calls = len(shop.double.calls)

    read(shop, clock, rounds=3)

    asked = shop.double.calls[calls:]
    assert [path for _, path, _ in asked] == ["/v1/events"] * 3


def test_while_stripe_is_away_nothing_is_lost(shop: Shop, clock: Clock) -> None:
    shop.double.renew(shop.subscribe())
    shop.double.is_away = True
    read(shop, clock, rounds=2)

    shop.double.is_away = False
    read(shop, clock)

    assert shop.credits == 600 + 2 * 18_000


def test_what_cannot_be_acted_on_is_in_nobodys_way_and_is_tried_for_days(
    shop: Shop, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    subscription_id = shop.subscribe()
    broken, good = shop.double.renew(subscription_id)[1], shop.double.renew(subscription_id)[1]
    kept = shop.double.objects.pop(broken["data"]["object"]["id"])
    with caplog.at_level(logging.WARNING):
        read(shop, clock, rounds=2)
    assert shop.credits == 600 + 2 * 18_000, good

    shop.double.objects[kept["id"]] = kept
    read(shop, clock)
    assert shop.credits == 600 + 3 * 18_000

    clock.advance(days=4)
    read(shop, clock)
    with shop.database.read() as session:
        (place,) = session.query(ProviderFeed).all()
    assert place.since > clock.now - feed.NEWEST * 3, "it does not fall behind"


def test_several_replicas_read_one_at_a_time(shop: Shop, clock: Clock) -> None:
    shop.double.renew(shop.subscribe())
    calls = len(shop.double.calls)
    clock.advance(minutes=2)

    in_parallel([shop.made.feed.read] * 4)

    assert [path for _, path, _ in shop.double.calls[calls:]].count("/v1/events") <= feed.PAGES_A_ROUND
    assert shop.credits == 600 + 2 * 18_000
    assert_books_add_up(shop.money)


def test_a_plan_that_ended_unheard_is_asked_about_when_its_period_is_over(shop: Shop, clock: Clock) -> None:
    subscription_id = shop.subscribe()
    shop.double.objects[subscription_id]["status"] = "canceled"
    shop.made.webhooks.sweep_subscriptions()
    assert shop.plan == "plus", "its period is not over"

    clock.advance(days=31)
    shop.made.webhooks.sweep_subscriptions()
    assert (shop.plan, shop.subscription().state) == ("free", "ended")
