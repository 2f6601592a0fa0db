"""Packs by Stripe's checkout, through its real SDK: every webhook three times."""

import logging

import pytest

from services.accounts.accounts import Accounts
from tests.clocks import Clock
from tests.databases import on_sqlite
from tests.services.accounts.ledger.billing_cases import assert_books_add_up
from tests.services.accounts.payments.stripe.documents import Document
from tests.services.accounts.payments.stripe.double import StripeDouble
from tests.services.accounts.payments.stripe.shop import Shop


def test_a_pack_is_paid_and_granted_once_however_often_it_is_told(shop: Shop) -> None:
    checkout_id, session_id = shop.order()

    shop.tell(*shop.double.pay(session_id), times=3)
    shop.made.payments.fulfil(checkout_id)

    assert shop.status(checkout_id) == "paid"
    assert shop.credits == 600 + 3600
    assert shop.payment(checkout_id).total_minor == 300
    assert shop.written() == ["payment"]
    assert_books_add_up(shop.money)


def test_one_order_is_one_session_though_it_is_asked_for_again(shop: Shop) -> None:
    checkout_id, session_id = shop.order()
    with shop.database.write() as session:
        checkout = shop.made.payments.checkout(session, shop.money.account_id, checkout_id)[0]
        checkout.session_id = None

    assert shop.made.payments.open(checkout_id).session_id == session_id


@pytest.mark.parametrize("succeeds", [True, False])
def test_a_bank_that_takes_its_time(shop: Shop, succeeds: bool) -> None:
    checkout_id, session_id = shop.order()
    shop.tell(*shop.double.pay(session_id, later=True), times=2)
    assert (shop.status(checkout_id), shop.credits) == ("processing", 600)

    shop.tell(*shop.double.clear(session_id, succeeds=succeeds), times=3)

    assert shop.status(checkout_id) == ("paid" if succeeds else "failed")
    assert shop.credits == (4200 if succeeds else 600)


def test_a_checkout_that_expires(shop: Shop) -> None:
    checkout_id, session_id = shop.order()

    shop.tell(*shop.double.expire(session_id), times=3)

    assert (shop.status(checkout_id), shop.credits) == ("expired", 600)


def test_what_no_webhook_told_of_is_found_by_asking(shop: Shop, clock: Clock) -> None:
    _, session_id = shop.order()
    shop.double.pay(session_id)
    clock.advance(minutes=1)

    shop.made.payments.reconcile()

    assert shop.credits == 4200


def test_a_webhook_that_comes_before_we_know_the_session_is_understood(shop: Shop) -> None:
    checkout_id, session_id = shop.order()
    with shop.database.write() as session:
        shop.made.payments.checkout(session, shop.money.account_id, checkout_id)[0].session_id = None

    shop.tell(*shop.double.pay(session_id))

    assert shop.credits == 4200


def test_a_session_of_another_checkout_or_of_none_brings_nothing(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    checkout_id, session_id = shop.order()
    (paid,) = shop.double.pay(session_id)
    other = paid | {"id": "evt_other", "data": {"object": paid["data"]["object"] | {"id": "cs_other"}}}
    nobodys = other | {"id": "evt_nobodys", "data": {"object": other["data"]["object"] | {"metadata": {}}}}

    with caplog.at_level(logging.WARNING):
        shop.tell(other, nobodys)

    assert (shop.status(checkout_id), shop.credits) == ("open", 600)
    assert "cs_other" in caplog.text


@on_sqlite
@pytest.mark.parametrize(
    "changes",
    [
        {"amount_subtotal": 1, "amount_total": 1},
        {"amount_total": 100},
        {"currency": "jpy"},
        {"client_reference_id": "usr_somebody_else"},
        {"metadata": {}},
    ],
)
def test_what_was_not_ordered_is_refused_and_logged(
    shop: Shop, caplog: pytest.LogCaptureFixture, changes: Document
) -> None:
    checkout_id, session_id = shop.order()
    events = shop.double.pay(session_id)
    shop.double.objects[session_id] |= changes

    with caplog.at_level(logging.ERROR):
        shop.tell(*events, times=3)

    assert (shop.status(checkout_id), shop.credits) == ("failed", 600)
    assert f"checkout {checkout_id} is refused" in caplog.text


@on_sqlite
@pytest.mark.parametrize("setting", ["automatic_tax", "tax_ids", "invoices"])
def test_settings_reach_the_checkout(accounts: Accounts, double: StripeDouble, setting: str) -> None:
    shop = Shop.of(accounts, double, **{setting: True})

    checkout_id, session_id = shop.order()

    name = {"automatic_tax": "automatic_tax", "tax_ids": "tax_id_collection", "invoices": "invoice_creation"}[setting]
    assert double.calls[-1][2][name] == {"enabled": "true"}
    shop.tell(*double.pay(session_id))
    payment = shop.payment(checkout_id)
    assert (payment.total_minor, payment.tax_minor) == ((360, 60) if setting == "automatic_tax" else (300, 48))
