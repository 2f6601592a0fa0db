"""Refunds and disputes that Stripe tells of, in whatever order."""

import pytest

from services.accounts.ledger.transfers import Balance
from tests.services.accounts.ledger.billing_cases import assert_books_add_up
from tests.services.accounts.payments.stripe.shop import Shop


def test_refunds_take_credits_in_proportion_in_whatever_order_they_are_told(shop: Shop) -> None:
    checkout_id, session_id = shop.order()
    paid = shop.double.pay(session_id)
    intent = str(shop.double.objects[session_id]["payment_intent"])
    first, second = shop.double.refund(intent, 100), shop.double.refund(intent, 50)

    # The refunds are told first: the payment is looked for before them.
    shop.tell(*second, *first, *paid, times=3)

    payment = shop.payment(checkout_id)
    assert (payment.refunded_minor, payment.returned_credits) == (150, 1800)
    assert shop.credits == 600 + 1800

    shop.tell(*shop.double.refund(intent, 150), times=3)
    assert shop.credits == 600
    assert_books_add_up(shop.money)


def test_a_dispute_takes_the_credits_and_gives_them_back_when_it_is_won(shop: Shop) -> None:
    checkout_id, session_id = shop.order()
    shop.tell(*shop.double.pay(session_id))
    shop.money.reserve(4000)
    opened = shop.double.dispute(str(shop.double.objects[session_id]["payment_intent"]))

    shop.tell(*opened, times=3)
    assert shop.payment(checkout_id).disputed
    assert (shop.money.balance.available, shop.money.balance.debt) == (0, 3400)
    assert shop.written() == ["payment", "disputed"]

    closed = shop.double.decide(opened[0]["data"]["object"]["id"], "won")
    shop.tell(*closed, *opened, times=3)
    assert not shop.payment(checkout_id).disputed
    assert shop.money.balance == Balance(available=200, reserved=4000, debt=0, version=shop.money.balance.version)
    assert_books_add_up(shop.money)


@pytest.mark.parametrize(("status", "left"), [("lost", 600), ("won", 4200), ("warning_closed", 4200)])
def test_the_end_of_a_dispute_that_is_told_before_its_beginning(shop: Shop, status: str, left: int) -> None:
    _, session_id = shop.order()
    paid = shop.double.pay(session_id)
    opened = shop.double.dispute(str(shop.double.objects[session_id]["payment_intent"]))
    closed = shop.double.decide(opened[0]["data"]["object"]["id"], status)

    shop.tell(*closed, *opened, *paid, times=3)

    assert shop.credits == left
    assert_books_add_up(shop.money)


def test_a_refund_of_a_plan_finds_its_invoice(shop: Shop) -> None:
    _, session_id = shop.order("plus")
    paid = shop.double.pay(session_id)
    invoice = shop.double.only("in")
    intent = invoice["payments"]["data"][0]["payment"]["payment_intent"]

    shop.tell(*shop.double.refund(intent, 900), *paid, times=3)

    assert (shop.plan, shop.credits) == ("plus", 600)
    assert_books_add_up(shop.money)


def test_an_admin_pays_back_by_stripe_once_and_no_more_than_there_is(shop: Shop) -> None:
    checkout_id, session_id = shop.order()
    shop.tell(*shop.double.pay(session_id))

    first = shop.pay_back(checkout_id, 100)
    for _ in range(3):
        assert shop.made.refunds.carry_out(first)[0].state == "done"
    # Stripe forgets keys after a day; what was made stays known by its name.
    shop.double.made.clear()
    assert shop.stripe.refund(str(shop.payment(checkout_id).payment_ref), 100, first).sent_minor == 100

    payment = shop.payment(checkout_id)
    assert (payment.refunded_minor, payment.returned_credits, shop.credits) == (100, 1200, 600 + 2400)
    shop.tell(*[event for event in shop.double.told if event["type"] == "charge.refunded"], times=2)
    assert shop.credits == 600 + 2400

    shop.double.refund(str(payment.payment_ref), 200)
    refund, _ = shop.made.refunds.carry_out(shop.pay_back(checkout_id, 200))
    assert refund.state == "refused", "all was paid back at Stripe meanwhile"
    assert_books_add_up(shop.money)


def test_a_month_of_a_plan_is_paid_back(shop: Shop) -> None:
    checkout_id, session_id = shop.order("plus")
    shop.tell(*shop.double.pay(session_id))

    refund, payment = shop.made.refunds.carry_out(shop.pay_back(checkout_id))

    assert (refund.state, payment.refunded_minor, shop.credits) == ("done", 900, 600)
    assert_books_add_up(shop.money)


def test_a_refund_that_the_bank_does_not_take_gives_its_credits_back(shop: Shop) -> None:
    checkout_id, session_id = shop.order()
    shop.tell(*shop.double.pay(session_id))
    refund_id = shop.pay_back(checkout_id, 100)
    shop.made.refunds.carry_out(refund_id)
    intent = str(shop.payment(checkout_id).payment_ref)
    others = shop.double.refund(intent, 50)
    (ours,) = [name for name, one in shop.double.objects.items() if (one.get("metadata") or {}).get("refund_id")]
    shop.tell(*others)
    assert shop.credits == 600 + 1800

    shop.tell(*shop.double.fail_refund(ours), *others, times=3)

    payment = shop.payment(checkout_id)
    assert (payment.refunded_minor, payment.failed_refunds_minor, payment.returned_credits) == (50, 100, 600)
    assert shop.credits == 600 + 3000
    again, _ = shop.made.refunds.carry_out(refund_id)
    assert again.state == "failed"
    assert shop.made.refunds.carry_out(shop.pay_back(checkout_id))[0].amount_minor == 250
    assert shop.credits == 600
    assert_books_add_up(shop.money)


def test_a_refund_that_fails_at_once_is_refused(shop: Shop) -> None:
    checkout_id, session_id = shop.order()
    shop.tell(*shop.double.pay(session_id))
    refund_id = shop.pay_back(checkout_id)
    shop.stripe.refund(str(shop.payment(checkout_id).payment_ref), 300, refund_id)
    failed = shop.double.fail_refund(shop.double.only("re")["id"])

    refund, payment = shop.made.refunds.carry_out(refund_id)
    assert (refund.state, payment.refunded_minor, shop.credits) == ("refused", 0, 600 + 3600)

    shop.tell(*failed)
    assert shop.credits == 600 + 3600
    assert_books_add_up(shop.money)


def test_an_answer_that_is_older_than_what_is_known_changes_nothing(shop: Shop) -> None:
    checkout_id, session_id = shop.order()
    shop.tell(*shop.double.pay(session_id))
    shop.made.refunds.carry_out(shop.pay_back(checkout_id, 100))
    older = shop.stripe.charge(shop.double.only("ch")["id"]).refunded
    shop.tell(*shop.double.fail_refund(shop.double.only("re")["id"]))
    books = shop.made.webhooks._books

    with shop.database.write() as session:
        payment = session.merge(shop.payment(checkout_id))
        books.paid_back(session, payment, older)

    assert (shop.payment(checkout_id).refunded_minor, shop.credits) == (0, 600 + 3600)
    assert_books_add_up(shop.money)


@pytest.mark.parametrize(("status", "left"), [("won", 600 + 2400), ("lost", 600)])
def test_what_is_paid_back_and_fails_during_a_dispute_counts_when_it_is_over(
    shop: Shop, status: str, left: int
) -> None:
    checkout_id, session_id = shop.order()
    shop.tell(*shop.double.pay(session_id))
    intent = str(shop.payment(checkout_id).payment_ref)
    shop.tell(*shop.double.refund(intent, 200))
    opened = shop.double.dispute(intent)
    shop.tell(*opened)
    assert shop.credits == 600

    shop.tell(*shop.double.fail_refund(shop.double.only("re")["id"]))
    assert shop.credits == 600
    shop.tell(*shop.double.refund(intent, 100))
    shop.tell(*shop.double.decide(opened[0]["data"]["object"]["id"], status), times=3)

    assert shop.credits == left
    assert_books_add_up(shop.money)
