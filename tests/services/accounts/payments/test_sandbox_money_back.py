"""Where a tester of the sandbox is the payer's bank: disputes, and refunds that do not arrive."""

from collections.abc import Iterator
from typing import Any

import pytest

from services.accounts.accounts import Accounts
from services.accounts.ledger.check import check_books
from tests.clocks import Clock
from tests.services.accounts.conftest import Person
from tests.services.accounts.payments.conftest import Buyer

WELCOME, BOUGHT = 600, 3600


@pytest.fixture
def checkout(buyer: Buyer) -> dict[str, Any]:
    """3.00 EUR for 3,600 credits, paid."""
    made = buyer.checkout()
    buyer.press(made, "pay")
    return made


@pytest.fixture(autouse=True)
def _books_add_up(accounts: Accounts) -> Iterator[None]:
    yield
    with accounts.database.read() as session:
        assert check_books(session).ok


def test_a_dispute_takes_the_credits_until_it_is_won(buyer: Buyer, checkout: dict[str, Any]) -> None:
    assert "Let the payer dispute it" in buyer.browser.get(checkout["url"]).text
    disputed = [buyer.press(checkout, "dispute").text for _ in range(3)]
    assert all("It is disputed." in page for page in disputed)
    assert (buyer.credits(), buyer.payments()[0]["disputed"]) == (WELCOME, True)

    won = [buyer.press(checkout, "win-dispute").text for _ in range(3)]
    assert all("Let the payer dispute it" in page for page in won)
    assert (buyer.credits(), buyer.payments()[0]["disputed"]) == (WELCOME + BOUGHT, False)
    assert buyer.ledger_kinds() == ["grant", "purchase", "chargeback", "chargeback_reversal"]

    buyer.press(checkout, "dispute")
    lost = buyer.press(checkout, "lose-dispute").text
    assert "The dispute was lost." in lost
    assert "<form" not in lost
    for outcome in ("win-dispute", "dispute"):
        buyer.press(checkout, outcome)
    assert buyer.credits() == WELCOME


def test_what_the_bank_does_not_take_is_ours_and_may_be_paid_back_again(
    admin: Person, buyer: Buyer, checkout: dict[str, Any]
) -> None:
    (payment,) = buyer.payments()
    path = f"/v1/admin/payments/{payment['id']}"
    for _ in range(2):
        assert admin.post(f"{path}/refunds", json={"reason": "A test", "amount_minor": 100}).status_code == 201
        assert "1.00 EUR was paid back." in buyer.browser.get(checkout["url"]).text
        assert buyer.credits() == WELCOME + 2400
        for _ in range(3):
            buyer.press(checkout, "fail-refunds")
        assert buyer.credits() == WELCOME + BOUGHT

    found = admin.get(path).json()
    assert [refund["state"] for refund in found["refunds"]] == ["failed", "failed"]
    assert (found["refunded_minor"], found["returned_credits"]) == (0, 0)
    assert buyer.ledger_kinds() == ["grant", "purchase", *["refund", "refund_reversal"] * 2]
    assert admin.post(f"{path}/refunds", json={"reason": "A test"}).json()["amount_minor"] == 300


def test_of_a_disputed_payment_nothing_is_paid_back(admin: Person, buyer: Buyer, checkout: dict[str, Any]) -> None:
    buyer.press(checkout, "dispute")
    refused = admin.post(f"/v1/admin/payments/{buyer.payments()[0]['id']}/refunds", json={"reason": "A test"})
    assert (refused.status_code, refused.json()["code"]) == (409, "refund_refused")


def test_each_month_of_a_plan_can_be_disputed(subscriber: Buyer) -> None:
    subscriber.press(subscriber.checkout(), "pay")
    plan = str(subscriber.person.post("/v1/billing/portal").json()["url"])
    subscriber.browser.post(plan, data={"outcome": "renew"})
    links = [part.split('"')[0] for part in subscriber.browser.get(plan).text.split('<li><a href="')[1:]]
    assert len(links) == 2

    subscriber.browser.post(links[0], data={"outcome": "dispute"})

    assert [payment["disputed"] for payment in subscriber.payments()] == [True, False]
    assert subscriber.credits() == WELCOME + 36_000


def test_the_totals_agree_whatever_the_bank_did(
    admin: Person, buyer: Buyer, checkout: dict[str, Any], clock: Clock
) -> None:
    admin.post(f"/v1/admin/payments/{buyer.payments()[0]['id']}/refunds", json={"reason": "A", "amount_minor": 100})
    buyer.press(checkout, "fail-refunds")
    buyer.press(checkout, "dispute")
    clock.advance(days=1)

    told = admin.get("/v1/admin/provider-totals").json()

    assert told["ok"]
    assert told["days"][0]["books"] == {"paid_minor": 300, "refunded_minor": 0, "disputed_minor": 300}
