"""Fulfilment: what was paid is granted once, whatever happens on the way, and nothing else is."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from typing import Any

import pytest

from services.accounts.accounts import Accounts
from services.accounts.payments.errors import ProviderUnavailable
from services.accounts.payments.places import LOOKS_AT_PROVIDER
from services.accounts.payments.providers import ProviderSession, SessionState
from services.kit.protos import billing_pb2
from tests.clocks import Clock
from tests.databases import PATIENCE_SECONDS, on_sqlite
from tests.ids import numbered
from tests.services.accounts.conftest import Outbox, in_parallel
from tests.services.accounts.killing import KilledHere, killed_at
from tests.services.accounts.ledger.billing_cases import assert_books_add_up
from tests.services.accounts.payments.till import Shop

GRANTED = 600 + 3600


@pytest.fixture
def shop(accounts: Accounts) -> Shop:
    return Shop.of(accounts)


def test_killed_at_each_step_a_payment_is_granted_once(shop: Shop) -> None:
    steps = 0
    for step in range(100):
        checkout_id = shop.begin()
        before = shop.money.balance.available
        try:
            with killed_at(shop.database, step):
                shop.payments.open(checkout_id)
                shop.becomes(checkout_id)
                shop.payments.fulfil(checkout_id)
        except KilledHere:
            steps += 1
        else:
            break
        # After the restart: whoever tells of it, the books are right.
        shop.payments.open(checkout_id)
        shop.becomes(checkout_id)
        shop.payments.fulfil(checkout_id)
        shop.payments.fulfil(checkout_id)
        assert shop.money.balance.available == before + 3600, f"killed at step {step}"
        assert_books_add_up(shop.money)
    assert steps >= 6, "every write was a place to die at"
    assert steps < 100


def test_receipt_numbers_have_no_gaps_though_processes_die(shop: Shop) -> None:
    numbers = []
    for step in range(8):
        checkout_id = shop.order()
        shop.becomes(checkout_id)
        with pytest.raises(KilledHere), killed_at(shop.database, min(step, 4)):
            shop.payments.fulfil(checkout_id)
        shop.payments.fulfil(checkout_id)
        _, payment = shop.checkout(checkout_id)
        assert payment is not None
        numbers.append(int(payment.receipt_number.partition("-")[2]))

    assert numbers == list(range(1, 9))


def test_in_parallel_it_is_granted_and_told_once(shop: Shop, outbox: Outbox) -> None:
    checkout_id = shop.order()
    shop.becomes(checkout_id)

    results = in_parallel([lambda: shop.payments.fulfil(checkout_id).status] * 8)

    assert results == ["paid"] * 8
    (told,) = outbox.messages(billing_pb2.PaymentSucceeded)
    _, payment = shop.checkout(checkout_id)
    assert payment is not None
    assert (told.account_id, told.payment_id, told.name) == (shop.money.account_id, payment.id, "1 hour of music")
    assert (told.total_minor, told.tax_minor, told.currency, told.credits) == (300, 48, "eur", 3600)
    assert (told.receipt_number, told.paid_at.ToDatetime(UTC)) == (payment.receipt_number, payment.paid_at)
    assert shop.money.balance.available == GRANTED
    assert_books_add_up(shop.money)


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"amount_minor": 1, "total_minor": 1}, "amount"),
        ({"total_minor": 299}, "total"),
        ({"currency": "jpy"}, "currency"),
        ({"account_id": "usr_somebody_else"}, "account"),
        ({"price_id": numbered("prc", 50)}, "price"),
    ],
)
def test_a_session_of_something_else_is_refused_and_logged(
    shop: Shop, caplog: pytest.LogCaptureFixture, changes: dict[str, Any], named: str
) -> None:
    checkout_id = shop.order()
    shop.becomes(checkout_id, **changes)

    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert shop.payments.fulfil(checkout_id).status == "failed"

    assert f"another {named}" in caplog.text
    assert shop.checkout(checkout_id)[1] is None
    assert shop.money.balance.available == 600


def test_taxes_may_come_on_top(shop: Shop) -> None:
    checkout_id = shop.order()
    shop.becomes(checkout_id, total_minor=357, tax_minor=57)

    shop.payments.fulfil(checkout_id)

    _, payment = shop.checkout(checkout_id)
    assert payment is not None
    assert (payment.total_minor, payment.tax_minor) == (357, 57)
    assert shop.money.balance.available == GRANTED


def test_a_bank_that_takes_its_time_is_waited_for(shop: Shop) -> None:
    checkout_id = shop.order()
    shop.becomes(checkout_id, SessionState.PROCESSING)
    assert shop.payments.fulfil(checkout_id).status == "processing"
    assert shop.money.balance.available == 600

    shop.becomes(checkout_id)
    assert shop.payments.fulfil(checkout_id).status == "paid"
    assert shop.money.balance.available == GRANTED


@pytest.mark.parametrize("first", [SessionState.EXPIRED, SessionState.FAILED])
def test_money_that_came_in_is_granted_whatever_was_said_before(shop: Shop, first: SessionState) -> None:
    checkout_id = shop.order()
    shop.becomes(checkout_id, first)
    shop.payments.fulfil(checkout_id)
    shop.becomes(checkout_id)

    assert shop.payments.fulfil(checkout_id).status == "paid"
    assert shop.money.balance.available == GRANTED


def test_what_no_webhook_told_of_is_found_by_asking(shop: Shop, clock: Clock) -> None:
    checkout_id = shop.order()
    shop.becomes(checkout_id)
    shop.payments.reconcile()
    assert shop.money.balance.available == 600, "it was asked about a moment ago"

    clock.advance(minutes=1)
    shop.payments.reconcile()
    assert shop.money.balance.available == GRANTED

    asked = shop.till.asked
    clock.advance(hours=1)
    shop.payments.reconcile()
    assert shop.till.asked == asked, "what has ended is not asked about"


def test_a_provider_that_is_away_is_asked_again(shop: Shop, clock: Clock) -> None:
    checkout_id = shop.begin()
    shop.till.is_away = True
    with pytest.raises(ProviderUnavailable):
        shop.payments.open(checkout_id)
    clock.advance(minutes=2)
    shop.payments.reconcile()
    assert shop.checkout(checkout_id)[0].status == "open"

    shop.till.is_away = False
    clock.advance(minutes=2)
    shop.payments.reconcile()
    assert shop.checkout(checkout_id)[0].url == "https://till.example/pay"


def test_a_checkout_that_never_reached_its_provider_is_given_up_in_the_end(shop: Shop, clock: Clock) -> None:
    checkout_id = shop.begin()
    shop.till.is_away = True
    clock.advance(hours=2)

    shop.payments.reconcile()

    assert shop.checkout(checkout_id)[0].status == "expired"


def test_one_that_cannot_be_asked_about_is_in_nobodys_way(
    shop: Shop, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    broken, good = shop.order(), shop.order()
    del shop.till.sessions[f"session-of-{broken}"]
    shop.becomes(good)
    clock.advance(minutes=1)

    with caplog.at_level(logging.ERROR):
        shop.payments.reconcile()

    assert shop.money.balance.available == GRANTED
    assert f"checkout {broken} could not be asked about" in caplog.text


def test_whoever_looks_has_the_provider_asked_now_and_then_and_not_about_what_has_ended(
    shop: Shop, clock: Clock
) -> None:
    checkout_id = shop.order()
    asked = shop.till.asked
    clock.advance(seconds=1)
    for _ in range(3):
        assert shop.payments.look(checkout_id).status == "open"
    assert shop.till.asked == asked + 1

    clock.advance(seconds=5)
    shop.becomes(checkout_id, SessionState.EXPIRED)
    for _ in range(3):
        assert shop.payments.look(checkout_id).status == "expired"
    clock.advance(hours=1)
    shop.payments.look(checkout_id)
    assert shop.till.asked == asked + 2


@on_sqlite
def test_a_slow_provider_has_few_who_look_wait_for_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    checkouts = [shop.order() for _ in range(LOOKS_AT_PROVIDER + 1)]
    asked, answers = threading.Semaphore(0), threading.Event()
    session = shop.till.session

    def slowly(session_id: str) -> ProviderSession:
        asked.release()
        answers.wait(PATIENCE_SECONDS)
        return session(session_id)

    monkeypatch.setattr(shop.till, "session", slowly)
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(shop.payments.look, checkout_id) for checkout_id in checkouts[:-1]]
        try:
            for _ in waiting:
                assert asked.acquire(timeout=PATIENCE_SECONDS)
            with pytest.raises(ProviderUnavailable):
                shop.payments.look(checkouts[-1])
        finally:
            answers.set()
        assert [one.result().status for one in waiting] == ["open"] * LOOKS_AT_PROVIDER
    assert shop.payments.look(checkouts[-1]).status == "open"
