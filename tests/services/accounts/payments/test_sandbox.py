"""Buying in the sandbox: a tester pays, fails, or lets it expire."""

import re
from contextlib import ExitStack

import pytest
from pydantic import ValidationError

from services.accounts.app import build
from services.accounts.payments import repository as payments
from services.accounts.payments.places import REQUESTS_AT_PROVIDER
from services.accounts.sessions.tokens import SigningKeys
from services.accounts.settings import Settings
from services.kit.database import Database
from tests.app_client import AppClient
from tests.clocks import Clock
from tests.databases import on_sqlite
from tests.ids import numbered
from tests.services.accounts.conftest import Join
from tests.services.accounts.payments.conftest import Buyer, heading


def test_a_pack_is_bought(buyer: Buyer) -> None:
    checkout = buyer.checkout()

    assert re.fullmatch(r"http://testserver/billing/sandbox/sbx_[0-9a-z]{26}", checkout["url"])
    assert checkout["status"] == "open"
    page = buyer.browser.get(checkout["url"])
    assert (heading(page), "3.00 EUR" in page.text) == ("Sandbox checkout", True)

    assert buyer.decide(checkout, "pay") == "paid"
    assert buyer.come_back(checkout) == {"status": "paid", "name": checkout["name"], "url": None}
    paid = buyer.look(checkout)
    (payment,) = buyer.payments()
    assert (paid["status"], paid["url"], paid["payment_id"]) == ("paid", None, payment["id"])
    assert (payment["amount_minor"], payment["tax_minor"], payment["currency"]) == (300, 48, "eur")
    assert payment["credits"] == 3600
    assert buyer.credits() == 600 + 3600
    assert buyer.ledger_kinds() == ["grant", "purchase"]


@pytest.mark.parametrize(("outcome", "status"), [("fail", "failed"), ("expire", "expired")])
def test_what_is_not_paid_brings_nothing(buyer: Buyer, outcome: str, status: str) -> None:
    checkout = buyer.checkout()

    assert buyer.decide(checkout, outcome) == status
    assert buyer.decide(checkout, "pay") == status, "a checkout that is over cannot be paid"

    assert buyer.look(checkout)["status"] == status
    assert buyer.payments() == []
    assert buyer.credits() == 600


def test_a_checkout_that_nobody_pays_expires(buyer: Buyer, clock: Clock) -> None:
    checkout = buyer.checkout()
    clock.advance(minutes=60)

    assert heading(buyer.browser.get(checkout["url"])) == "This checkout is over"
    assert buyer.decide(checkout, "pay") == "expired"
    assert buyer.credits() == 600


def test_whatever_comes_again_grants_once(buyer: Buyer) -> None:
    checkout = buyer.checkout()
    for _ in range(3):
        buyer.press(checkout, "pay")
        buyer.come_back(checkout)

    assert buyer.credits() == 600 + 3600
    assert len(buyer.payments()) == 1


def test_who_comes_back_without_having_paid_may_go_on(buyer: Buyer) -> None:
    checkout = buyer.checkout()

    assert buyer.come_back(checkout) == {"status": "open", "name": checkout["name"], "url": checkout["url"]}


def test_pages_run_nothing_and_stay_in_no_cache(buyer: Buyer) -> None:
    checkout = buyer.checkout()

    pages = [buyer.browser.get(checkout["url"])]
    buyer.press(checkout, "pay")
    for page in (*pages, buyer.browser.get(checkout["url"])):
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script" not in policy
        assert "unsafe" not in policy
        assert "<script" not in page.text
        assert page.headers["cache-control"] == "no-store"


def test_the_same_key_makes_one_checkout(buyer: Buyer) -> None:
    answers = [
        buyer.person.post("/v1/billing/checkouts", headers={"Idempotency-Key": "once"}, json=buyer.order)
        for _ in range(3)
    ]

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = buyer.person.post(
        "/v1/billing/checkouts", headers={"Idempotency-Key": "once"}, json={"price_id": numbered("prc", 10)}
    )
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")


def test_what_is_not_sold_cannot_be_bought(buyer: Buyer) -> None:
    answer = buyer.person.post("/v1/billing/checkouts", json={"price_id": numbered("prc", 52)})

    assert (answer.status_code, answer.json()["code"]) == (404, "price_not_found")


def test_open_checkouts_do_not_pile_up(buyer: Buyer, clock: Clock) -> None:
    for _ in range(20):
        buyer.checkout()

    refused = buyer.person.post("/v1/billing/checkouts", json=buyer.order)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_checkouts")


def test_nobody_sees_what_another_buys(buyer: Buyer, join: Join) -> None:
    stranger = Buyer(join(), buyer.order["price_id"])
    checkout = buyer.checkout()
    buyer.press(checkout, "pay")
    (payment,) = buyer.payments()

    assert stranger.person.get(f"/v1/billing/checkouts/{checkout['id']}").status_code == 404
    assert stranger.person.get(payment["receipt_url"]).status_code == 404
    assert stranger.payments() == []


def test_ids_that_are_none_are_not_found(buyer: Buyer) -> None:
    for path, code in (
        ("checkouts/chk_x", "checkout_not_found"),
        ("payments/pay_x/receipt", "payment_not_found"),
    ):
        answer = buyer.person.get(f"/v1/billing/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, code)
    assert buyer.browser.get("/billing/sandbox/sbx_x").status_code == 404
    assert buyer.browser.get(f"/billing/sandbox/sbx_{'0' * 26}").status_code == 404
    for missing in ("chk_x", f"chk_{'0' * 26}"):
        answer = buyer.browser.get(f"/v1/billing/returns/{missing}")
        assert (answer.status_code, answer.json()["code"]) == (404, "checkout_not_found")


def test_the_sandbox_does_not_start_in_production() -> None:
    with pytest.raises(ValidationError, match="must not be sandbox in production"):
        Settings(
            environment="production",
            kafka_allow_plaintext=True,
            payment_provider="sandbox",
            database_url="postgresql://someone:6zV@db/accounts",
            signing_key_file="key.pem",
            public_url="https://stems.example",
        )


def test_where_nothing_is_sold_nothing_is_bought(buyer: Buyer, database: Database, keys: SigningKeys) -> None:
    checkout = buyer.checkout()
    elsewhere = AppClient(build(Settings(), keys, database), raise_server_exceptions=False)

    answer = elsewhere.post("/v1/billing/checkouts", headers=buyer.person.headers, json=buyer.order)
    page = elsewhere.get(checkout["url"])

    assert page.status_code == 409
    assert (answer.status_code, answer.json()["code"]) == (409, "payments_off")


@on_sqlite
def test_where_the_provider_keeps_all_waiting_others_are_told_so_at_once(buyer: Buyer) -> None:
    accounts = buyer.person.client.app.state.accounts  # type: ignore[attr-defined]
    with ExitStack() as taken:
        for _ in range(REQUESTS_AT_PROVIDER):
            taken.enter_context(accounts.provider_places.one())
        refused = buyer.person.post("/v1/billing/checkouts", json=buyer.order)
        assert (refused.status_code, refused.json()["code"]) == (503, "payment_provider_unavailable")
        assert refused.headers["retry-after"] == "2"
        with accounts.database.read() as session:
            assert payments.count_open(session, buyer.person.account_id) == 0
    assert buyer.checkout()["status"] == "open"
