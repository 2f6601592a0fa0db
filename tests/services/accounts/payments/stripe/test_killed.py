"""Killed at each write of what a plan brings, accounts has right books after the restart."""

import pytest

from tests.clocks import Clock
from tests.services.accounts.killing import kill_at_each_write
from tests.services.accounts.ledger.billing_cases import Money, assert_books_add_up
from tests.services.accounts.payments.stripe.double import StripeDouble
from tests.services.accounts.payments.stripe.shop import Shop

pytestmark = pytest.mark.slow

MONTH = 18_000
WRITES = 8
"""At least: the subscription, the payment, the credits in three tables, the news, the mail, the commit."""

FOUND = pytest.mark.parametrize(
    ("database_url", "found_by"),
    [("sqlite", "webhooks"), pytest.param("postgres", "asking", marks=pytest.mark.postgres)],
    indirect=["database_url"],
)
"""How it becomes known after the restart, once on each database: a case takes a dozen deaths."""


def another(shop: Shop) -> Shop:
    """The same platform, and somebody else who buys there."""
    return Shop(shop.accounts, shop.double, shop.made, Money.of_new_user(shop.accounts), shop.stripe)


@FOUND
def test_a_plan_that_begins(shop: Shop, clock: Clock, found_by: str) -> None:
    def begin() -> tuple[Shop, str]:
        case = another(shop)
        return case, case.order("plus")[1]

    def work(case: tuple[Shop, str]) -> None:
        case[0].tell(*shop.double.pay(case[1]))

    def after(case: tuple[Shop, str]) -> None:
        buyer, session_id = case
        if shop.double.objects[session_id]["status"] == "open":
            shop.double.pay(session_id)
        _hear(buyer, clock, found_by)
        assert (buyer.plan, buyer.credits) == ("plus", 600 + MONTH)
        assert buyer.written() == ["payment"]
        assert_books_add_up(buyer.money)

    assert kill_at_each_write(shop.database, begin, work, after) >= WRITES


@FOUND
def test_a_plan_that_is_renewed(shop: Shop, clock: Clock, found_by: str) -> None:
    def begin() -> tuple[Shop, str]:
        case = another(shop)
        return case, case.subscribe()

    def work(case: tuple[Shop, str]) -> None:
        case[0].tell(*shop.double.renew(case[1]))

    def after(case: tuple[Shop, str]) -> None:
        buyer, _ = case
        _hear(buyer, clock, found_by)
        assert (buyer.plan, buyer.credits) == ("plus", 600 + 2 * MONTH)
        assert buyer.written() == ["payment", "payment"]
        assert_books_add_up(buyer.money)

    assert kill_at_each_write(shop.database, begin, work, after) >= WRITES


def test_a_refund(shop: Shop, clock: Clock) -> None:
    def begin() -> tuple[Shop, str]:
        case = another(shop)
        checkout_id, session_id = case.order()
        case.tell(*shop.double.pay(session_id))
        return case, checkout_id

    def work(case: tuple[Shop, str]) -> None:
        buyer, checkout_id = case
        buyer.made.refunds.carry_out(buyer.pay_back(checkout_id, 100))

    def after(case: tuple[Shop, str]) -> None:
        buyer, checkout_id = case
        clock.advance(minutes=2)
        buyer.made.refunds.sweep()
        refunded = buyer.payment(checkout_id).refunded_minor
        at_stripe = shop.double.charge_of(str(buyer.payment(checkout_id).payment_ref))["amount_refunded"]
        # Killed before it was asked for, it was not; else it is made, once.
        assert refunded == at_stripe
        assert (refunded, buyer.credits) in ((0, 600 + 3600), (100, 600 + 2400))
        assert_books_add_up(buyer.money)

    assert kill_at_each_write(shop.database, begin, work, after) >= WRITES


def _hear(buyer: Shop, clock: Clock, found_by: str) -> None:
    double: StripeDouble = buyer.double
    if found_by == "webhooks":
        buyer.tell(*double.told[-3:], times=2)
        return
    clock.advance(minutes=2)
    buyer.made.payments.reconcile()
    for _ in range(2):
        clock.advance(minutes=2)
        buyer.made.feed.read()
