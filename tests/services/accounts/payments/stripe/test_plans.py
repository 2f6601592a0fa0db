"""Plans by Stripe: begun, renewed, overdue, changed and ended, in whatever order it is told."""

import itertools
import logging

import pytest

from services.accounts.payments import repository as payments
from services.accounts.payments.errors import AlreadySubscribed, TooManyCheckouts
from services.accounts.payments.subscriptions import SECOND
from services.accounts.users.models import User
from tests.clocks import Clock
from tests.databases import on_sqlite
from tests.services.accounts.ledger.billing_cases import assert_books_add_up
from tests.services.accounts.payments.stripe.documents import Document
from tests.services.accounts.payments.stripe.shop import Shop


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_plan_begins_in_whatever_order_it_is_told(shop: Shop, order: tuple[int, ...]) -> None:
    checkout_id, session_id = shop.order("plus")
    events = shop.double.pay(session_id)

    shop.tell(*(events[number] for number in order), times=3)

    assert shop.status(checkout_id) == "paid"
    assert shop.payment(checkout_id).credits == 18_000
    assert (shop.plan, shop.credits) == ("plus", 600 + 18_000)
    assert_books_add_up(shop.money)


def test_each_period_that_is_paid_brings_its_credits_once(shop: Shop) -> None:
    subscription_id = shop.subscribe()

    for _ in range(2):
        shop.tell(*reversed(shop.double.renew(subscription_id)), times=3)

    assert (shop.plan, shop.credits) == ("plus", 600 + 3 * 18_000)


def test_a_renewal_that_fails_has_days_of_grace(shop: Shop, clock: Clock) -> None:
    subscription_id = shop.subscribe()
    shop.tell(*shop.double.renew(subscription_id, succeeds=False), times=3)
    assert (shop.plan, shop.subscription().state) == ("plus", "overdue")
    assert shop.written() == ["payment", "renewal-failed"]

    clock.advance(days=6)
    shop.made.webhooks.sweep_subscriptions()
    assert shop.plan == "plus"

    clock.advance(days=1)
    shop.made.webhooks.sweep_subscriptions()
    assert shop.plan == "free"

    shop.tell(*shop.double.renew(subscription_id))
    assert (shop.plan, shop.credits) == ("plus", 600 + 2 * 18_000)


def test_a_plan_is_changed_and_ended_in_the_portal(shop: Shop) -> None:
    subscription_id = shop.subscribe()
    assert shop.made.payments.portal(shop.subscription()) == "https://billing.stripe.example/portal"

    larger = {"price": {"lookup_key": "studio", "unit_amount": 2_900}}
    changed = shop.double.change(subscription_id, **larger)
    shop.tell(*changed)
    assert shop.plan == "studio"
    shop.tell(*shop.double.renew(subscription_id))
    assert shop.credits == 600 + 18_000 + 72_000

    shop.tell(*shop.double.change(subscription_id, cancel_at_period_end=True))
    assert (shop.plan, shop.subscription().ends_with_period) == ("studio", True)
    shop.tell(*shop.double.change(subscription_id, status="canceled"), times=3)
    shop.tell(*changed)
    assert shop.plan == "free", "old news of the plan changes nothing"


def test_a_price_that_is_not_ours_changes_no_plan(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    subscription_id = shop.subscribe()

    with caplog.at_level(logging.ERROR):
        shop.tell(*shop.double.change(subscription_id, price={"lookup_key": "gold"}))

    assert shop.plan == "plus"
    assert "is not sold here" in caplog.text


@on_sqlite
@pytest.mark.parametrize("changes", [{"subtotal": 1}, {"currency": "jpy"}])
def test_an_invoice_of_another_price_is_refused_and_logged(
    shop: Shop, caplog: pytest.LogCaptureFixture, changes: Document
) -> None:
    subscription_id = shop.subscribe()
    events = shop.double.renew(subscription_id)
    shop.double.objects[events[1]["data"]["object"]["id"]] |= changes

    with caplog.at_level(logging.ERROR):
        shop.tell(*events, times=3)

    assert shop.credits == 600 + 18_000
    assert "is refused" in caplog.text


def test_a_subscription_of_another_account_is_refused_and_logged(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    _, session_id = shop.order("plus")
    events = shop.double.pay(session_id)
    subscription = shop.double.objects[str(shop.double.objects[session_id]["subscription"])]
    subscription["metadata"] = subscription["metadata"] | {"account_id": "usr_somebody_else"}

    with caplog.at_level(logging.ERROR):
        shop.tell(*events)

    assert (shop.plan, shop.credits) == ("free", 600)
    assert "nobody here has ordered it so" in caplog.text


def test_a_second_plan_is_not_sold(shop: Shop) -> None:
    from services.accounts.payments.errors import AlreadySubscribed

    shop.subscribe()
    with pytest.raises(AlreadySubscribed):
        shop.order("studio")


def test_who_is_erased_pays_no_more(shop: Shop) -> None:
    subscription_id = shop.subscribe()
    with shop.database.write() as session:
        user = session.get(User, shop.money.account_id)
        session.delete(user)

    shop.made.webhooks.sweep_subscriptions()

    assert shop.double.objects[subscription_id]["status"] == "canceled"
    assert shop.subscription().state == "ended"


def test_an_older_checkout_that_is_paid_meanwhile_is_the_plan(shop: Shop) -> None:
    older, session_id = shop.order("plus")
    shop.double.pay(session_id)

    with pytest.raises(AlreadySubscribed):
        shop.order("studio")

    assert (shop.status(older), shop.plan) == ("paid", "plus")
    sessions = [path for method, path, _ in shop.double.calls if (method, path) == ("POST", "/v1/checkout/sessions")]
    assert len(sessions) == 1, "nothing else can be paid"


def test_while_a_bank_is_at_work_on_a_plan_no_other_is_sold(shop: Shop) -> None:
    older, _ = shop.order("plus")
    with shop.database.write() as session:
        payments.lock_checkout(session, older).status = "processing"

    for price_id in ("plus", "studio"):
        with pytest.raises(TooManyCheckouts):
            shop.order(price_id)


def test_two_plans_that_are_paid_for_all_the_same_are_told_of(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    _, first = shop.order("plus")
    _, second = shop.order("studio")
    assert shop.double.objects[first]["status"] == "expired"
    before = SECOND._value.get()
    with caplog.at_level(logging.ERROR):
        shop.tell(*shop.double.pay(first), times=2)
        assert SECOND._value.get() == before
        shop.tell(*shop.double.pay(second), times=2)

    assert SECOND._value.get() == before + 1
    assert f"account {shop.money.account_id} pays for subscription" in caplog.text
