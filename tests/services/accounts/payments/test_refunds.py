"""Admins find payments and pay them back: each refund once, never more than was paid, with a reason."""

from typing import Any

import pytest

from services.accounts.accounts import Accounts
from services.accounts.payments.errors import ProviderUnavailable, RefundTooLarge
from services.accounts.payments.models import Payment as PaymentRow
from services.accounts.payments.models import Refund as RefundRow
from services.accounts.payments.providers import Refunded
from services.accounts.payments.refunds import RefundState
from services.accounts.security_events.origin import Origin
from tests.clocks import Clock
from tests.databases import on_sqlite
from tests.ids import numbered
from tests.services.accounts.conftest import Person, in_parallel
from tests.services.accounts.ledger.billing_cases import assert_books_add_up
from tests.services.accounts.payments.conftest import Buyer
from tests.services.accounts.payments.till import Shop

PAYMENTS = "/v1/admin/payments"
ADMIN = numbered("usr", 9)


@pytest.fixture
def payment(buyer: Buyer) -> dict[str, Any]:
    """3.00 EUR for 3,600 credits."""
    buyer.press(buyer.checkout(), "pay")
    (found,) = buyer.payments()
    return found


def refund(admin: Person, payment: dict[str, Any], key: str | None = None, **body: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return admin.post(f"{PAYMENTS}/{payment['id']}/refunds", headers=headers, json={"reason": "Bought twice", **body})


def test_payments_are_found_by_whatever_is_known_of_them(
    admin: Person, buyer: Buyer, payment: dict[str, Any], accounts: Accounts
) -> None:
    def found(query: str | None) -> list[str]:
        answer = admin.get(PAYMENTS, params={} if query is None else {"query": query})
        return [item["id"] for item in answer.json()["items"]]

    whole = admin.get(f"{PAYMENTS}/{payment['id']}").json()
    assert (whole["account_id"], whole["email"], whole["refunds"]) == (buyer.person.account_id, buyer.person.email, [])
    known = ("id", "account_id", "receipt_number", "provider_reference")
    for query in (None, buyer.person.email[:7].upper(), *(whole[name] for name in known)):
        assert found(query) == [payment["id"]], query
    for query in ("%", "_", payment["id"][:-1], "nobody@example.com"):
        assert found(query) == [], query

    with accounts.database.write() as session:
        accounts.erasures.request(session, buyer.person.account_id)
    assert admin.get(PAYMENTS).json()["items"][0]["email"] is None


def test_payments_come_in_pages(admin: Person, buyer: Buyer) -> None:
    for _ in range(3):
        buyer.press(buyer.checkout(), "pay")

    first = admin.get(PAYMENTS, params={"limit": 2}).json()
    rest = admin.get(PAYMENTS, params={"limit": 2, "cursor": first["next_cursor"]}).json()

    assert [len(first["items"]), len(rest["items"]), rest["next_cursor"]] == [2, 1, None]
    assert first["items"] + rest["items"] == admin.get(PAYMENTS).json()["items"]


def test_a_part_and_then_the_rest_is_paid_back_with_its_credits(
    admin: Person, buyer: Buyer, payment: dict[str, Any]
) -> None:
    part = refund(admin, payment, amount_minor=100)
    assert part.status_code == 201, part.text
    assert (part.json()["state"], part.json()["amount_minor"], part.json()["currency"]) == ("done", 100, "eur")
    assert (part.json()["by"], part.json()["reason"]) == (admin.account_id, "Bought twice")
    assert buyer.credits() == 600 + 2400

    rest = refund(admin, payment)
    assert rest.json()["amount_minor"] == 200
    assert buyer.credits() == 600
    (shown,) = buyer.payments()
    assert (shown["refunded_minor"], shown["returned_credits"]) == (300, 3600)
    whole = admin.get(f"{PAYMENTS}/{payment['id']}").json()
    assert [made["id"] for made in whole["refunds"]] == [rest.json()["id"], part.json()["id"]]


def test_no_more_is_paid_back_than_was_paid(admin: Person, buyer: Buyer, payment: dict[str, Any]) -> None:
    def refused(**body: Any) -> tuple[int, str, int]:
        answer = refund(admin, payment, **body)
        return answer.status_code, answer.json()["code"], answer.json()["refundable_minor"]

    assert refused(amount_minor=301) == (409, "refund_too_large", 300)
    refund(admin, payment, amount_minor=299)
    assert refused(amount_minor=2) == (409, "refund_too_large", 1)
    refund(admin, payment)
    assert refused() == (409, "refund_too_large", 0)
    assert buyer.credits() == 600


@on_sqlite
@pytest.mark.parametrize(
    "body",
    [
        {"amount_minor": 0},
        {"amount_minor": -1},
        {"amount_minor": 0.5},
        {"reason": ""},
        {"reason": "a\nb"},
        {"currency": "x"},
    ],
)
def test_a_refund_that_makes_no_sense_is_refused(admin: Person, payment: dict[str, Any], body: dict[str, Any]) -> None:
    assert refund(admin, payment, **body).status_code == 422


def test_one_key_is_one_refund(admin: Person, buyer: Buyer, payment: dict[str, Any]) -> None:
    answers = [refund(admin, payment, "once", amount_minor=100) for _ in range(3)]

    assert len({answer.json()["id"] for answer in answers}) == 1
    assert buyer.credits() == 600 + 2400
    assert refund(admin, payment, "once", amount_minor=101).json()["code"] == "idempotency_conflict"


def test_who_paid_back_and_why_is_in_the_audit_log(admin: Person, buyer: Buyer, payment: dict[str, Any]) -> None:
    refund(admin, payment, amount_minor=100)

    (entry,) = admin.get("/v1/admin/audit-log", params={"kind": "payment_refunded"}).json()["items"]

    assert (entry["account_id"], entry["actor"]) == (buyer.person.account_id, admin.account_id)
    assert entry["details"] == {
        "payment_id": payment["id"],
        "amount_minor": 100,
        "currency": "eur",
        "reason": "Bought twice",
    }


def test_it_is_for_admins(buyer: Buyer, payment: dict[str, Any]) -> None:
    assert buyer.person.get(PAYMENTS).status_code == 403
    assert buyer.person.get(f"{PAYMENTS}/{payment['id']}").status_code == 403
    assert refund(buyer.person, payment).status_code == 403


def test_a_payment_that_is_none_is_not_found(admin: Person) -> None:
    nobodys = {"id": numbered("pay", 1)}

    assert admin.get(f"{PAYMENTS}/{nobodys['id']}").json()["code"] == "payment_not_found"
    assert refund(admin, nobodys).json()["code"] == "payment_not_found"


def test_the_sandbox_agrees_with_the_books_and_says_where_it_does_not(
    admin: Person, buyer: Buyer, payment: dict[str, Any], accounts: Accounts, clock: Clock
) -> None:
    refund(admin, payment, amount_minor=100)
    clock.advance(days=1)

    told = admin.get("/v1/admin/provider-totals").json()
    amounts = {"paid_minor": 300, "refunded_minor": 100, "disputed_minor": 0}
    day = {"day": f"{clock.began:%Y-%m-%d}", "currency": "eur", "agree": True, "provider": amounts, "books": amounts}
    assert told == {"ok": True, "days": [day]}

    with accounts.database.write() as session:
        session.query(PaymentRow).update({"refunded_minor": 0})
    assert admin.get("/v1/admin/provider-totals", params={"days": 31}).json()["ok"] is False
    assert buyer.person.get("/v1/admin/provider-totals").status_code == 403


class TestWithAProviderThatFails:
    @pytest.fixture
    def shop(self, accounts: Accounts) -> Shop:
        """3.00 EUR were paid."""
        shop = Shop.of(accounts)
        checkout_id = shop.order()
        shop.becomes(checkout_id)
        shop.payments.fulfil(checkout_id)
        return shop

    def begin(self, shop: Shop, amount: int | None = None) -> str:
        with shop.database.write() as session:
            (payment,) = session.query(PaymentRow).all()
            return shop.refunds.begin(session, payment.id, amount, "A test", Origin(), ADMIN)

    def state(self, shop: Shop, refund_id: str) -> str:
        with shop.database.read() as session:
            return session.get_one(RefundRow, refund_id).state

    def test_while_it_is_away_a_refund_waits_and_counts(self, shop: Shop, clock: Clock) -> None:
        shop.till.is_away = True
        refund_id = self.begin(shop, 200)
        with pytest.raises(ProviderUnavailable):
            shop.refunds.carry_out(refund_id)
        with pytest.raises(RefundTooLarge):
            self.begin(shop, 101)

        shop.till.is_away = False
        shop.refunds.sweep()
        assert self.state(shop, refund_id) == RefundState.ASKED, "it was asked for a moment ago"
        clock.advance(minutes=1)
        for _ in range(3):
            shop.refunds.sweep()

        assert self.state(shop, refund_id) == RefundState.DONE
        assert shop.till.refunds == {refund_id: 200}
        assert shop.money.balance.available == 600 + 1200
        assert_books_add_up(shop.money)

    def test_what_it_refuses_is_over_and_takes_nothing(self, shop: Shop) -> None:
        shop.till.refuses = True
        refund_id = self.begin(shop)

        shop.refunds.carry_out(refund_id)

        assert self.state(shop, refund_id) == RefundState.REFUSED
        assert shop.money.balance.available == 600 + 3600
        shop.till.refuses = False
        assert shop.refunds.carry_out(self.begin(shop))[0].state == RefundState.DONE

    def test_in_parallel_no_more_is_asked_for_than_was_paid(self, shop: Shop) -> None:
        results = in_parallel([lambda: self.begin(shop, 100)] * 6)

        assert sum(isinstance(result, str) for result in results) == 3
        assert sum(isinstance(result, RefundTooLarge) for result in results) == 3

    def test_one_that_cannot_be_carried_out_is_in_nobodys_way(self, shop: Shop, clock: Clock) -> None:
        broken, good = self.begin(shop, 100), self.begin(shop, 100)
        carry_out = shop.till.refund

        def fails(payment_ref: str, amount_minor: int, refund_id: str) -> Refunded:
            if refund_id == broken:
                raise RuntimeError
            return carry_out(payment_ref, amount_minor, refund_id)

        shop.till.refund = fails  # type: ignore[method-assign]
        clock.advance(minutes=1)
        shop.refunds.sweep()

        assert (self.state(shop, broken), self.state(shop, good)) == (RefundState.ASKED, RefundState.DONE)
