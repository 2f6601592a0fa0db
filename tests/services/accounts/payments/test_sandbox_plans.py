"""Plans in the sandbox, over HTTP: begun, renewed, overdue, ended; what a person and their programs see of it."""

from typing import Any

import pytest

from services.accounts.accounts import Accounts
from services.accounts.ledger.check import check_books
from services.accounts.payments.sandbox import Sandbox
from services.accounts.plans.models import PriceKind
from services.accounts.plans.service import NewPrice, set_price
from tests.clocks import Clock
from tests.services.accounts.conftest import Join, Mailbox
from tests.services.accounts.payments.conftest import Buyer, heading

WELCOME, MONTH = 600, 36_000


def subscription(buyer: Buyer) -> dict[str, Any]:
    found: dict[str, Any] = buyer.person.get("/v1/billing/subscription").json()
    return found


def portal(buyer: Buyer) -> str:
    answer = buyer.person.post("/v1/billing/portal")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["url"])


def press(buyer: Buyer, outcome: str) -> str:
    """The heading that the page has afterwards."""
    return heading(buyer.browser.post(portal(buyer), data={"outcome": outcome}))


@pytest.fixture
def plan(subscriber: Buyer, accounts: Accounts) -> Buyer:
    """Somebody who has bought a plan; afterwards the books add up, whatever happened."""
    assert subscriber.decide(subscriber.checkout(), "pay") == "paid"
    return subscriber


@pytest.fixture(autouse=True)
def _books_add_up(accounts: Accounts) -> Any:
    yield
    with accounts.database.read() as session:
        assert check_books(session).ok


def test_who_has_no_plan_has_none_to_see_nor_to_change(subscriber: Buyer) -> None:
    for answer in (subscriber.person.get("/v1/billing/subscription"), subscriber.person.post("/v1/billing/portal")):
        assert (answer.status_code, answer.json()["code"]) == (404, "no_subscription")


def test_a_plan_is_bought(plan: Buyer, clock: Clock, mailbox: Mailbox) -> None:
    found = subscription(plan)

    assert (found["plan"], found["state"], found["ends_with_period"]) == ("monthly", "active", False)
    assert (found["amount_minor"], found["currency"], found["credits_per_month"]) == (1490, "eur", MONTH)
    assert (found["price_id"], found["grace_until"]) == (plan.order["price_id"], None)
    assert found["period_ends_at"] > clock.now.isoformat()
    assert plan.credits() == WELCOME + MONTH
    assert plan.ledger_kinds() == ["grant", "plan_grant"]
    assert [payment["amount_minor"] for payment in plan.payments()] == [1490]
    assert mailbox.subjects_to(plan.person.email)[-1] == "Thank you: 10 hours a month, 14.90 EUR"


def test_a_second_plan_is_not_sold(plan: Buyer) -> None:
    answer = plan.person.post("/v1/billing/checkouts", json=plan.order)

    assert (answer.status_code, answer.json()["code"]) == (409, "already_subscribed")


def test_a_plan_that_is_ordered_twice_is_one_checkout(subscriber: Buyer) -> None:
    first, second = subscriber.checkout(), subscriber.checkout()

    assert second == first
    subscriber.press(first, "pay")
    subscriber.press(second, "pay")
    assert [payment["amount_minor"] for payment in subscriber.payments()] == [1490]


def test_who_orders_another_plan_can_pay_the_first_no_more(subscriber: Buyer, accounts: Accounts) -> None:
    first = subscriber.checkout()
    more = NewPrice(
        kind=PriceKind.PLAN, code="more", name="20 hours a month", credits=72_000, amount_minor=2490, currency="eur"
    )
    with accounts.database.write() as session:
        subscriber.order = {"price_id": set_price(session, more).id}
    second = subscriber.checkout()

    assert subscriber.decide(first, "pay") == "expired"
    assert subscriber.decide(second, "pay") == "paid"
    assert [payment["amount_minor"] for payment in subscriber.payments()] == [2490]


def test_a_checkout_of_a_plan_that_is_almost_over_is_followed_by_a_new_one(subscriber: Buyer, clock: Clock) -> None:
    first = subscriber.checkout()
    clock.advance(minutes=55)
    second = subscriber.checkout()

    assert second["id"] != first["id"]
    assert (subscriber.look(first)["status"], subscriber.look(second)["status"]) == ("expired", "open")


def test_each_month_is_paid_and_brings_its_credits(plan: Buyer) -> None:
    first = subscription(plan)["period_ends_at"]

    assert [press(plan, "renew") for _ in range(2)] == ["Sandbox plan"] * 2

    assert subscription(plan)["period_ends_at"] > first
    assert plan.credits() == WELCOME + 3 * MONTH
    assert len(plan.payments()) == 3


def test_a_renewal_that_fails_has_days_of_grace_and_can_still_be_paid(
    plan: Buyer, accounts: Accounts, clock: Clock, mailbox: Mailbox
) -> None:
    press(plan, "fail-renewal")
    overdue = subscription(plan)
    assert (overdue["state"], overdue["grace_until"] is not None) == ("overdue", True)
    assert plan.credits() == WELCOME + MONTH, "what is not paid brings nothing"
    assert mailbox.subjects_to(plan.person.email)[-1] == "Your plan 10 hours a month could not be renewed"

    clock.advance(days=8)
    accounts.webhooks.sweep_subscriptions()
    assert plan_of(accounts, plan) == "free"

    press(plan, "pay-overdue")
    assert (subscription(plan)["state"], plan_of(accounts, plan)) == ("active", "monthly")
    assert plan.credits() == WELCOME + 2 * MONTH
    press(plan, "pay-overdue")
    assert plan.credits() == WELCOME + 2 * MONTH, "nothing is owed any more"


def test_a_plan_that_is_ended_goes_on_until_its_month_is_over(plan: Buyer, accounts: Accounts) -> None:
    press(plan, "end-with-period")
    assert (subscription(plan)["state"], subscription(plan)["ends_with_period"]) == ("active", True)
    assert plan_of(accounts, plan) == "monthly"
    page = portal(plan)

    assert heading(plan.browser.post(page, data={"outcome": "renew"})) == "This plan has ended"

    assert plan.person.get("/v1/billing/subscription").status_code == 404
    assert plan_of(accounts, plan) == "free"
    assert plan.credits() == WELCOME + MONTH, "credits that were paid for stay"
    assert heading(plan.browser.post(page, data={"outcome": "renew"})) == "This plan has ended"


def test_a_plan_ends_at_once(plan: Buyer, accounts: Accounts) -> None:
    assert press(plan, "end") == "This plan has ended"

    assert plan_of(accounts, plan) == "free"
    assert plan.person.post("/v1/billing/checkouts", json=plan.order).status_code == 201, "another can be begun"


def test_who_is_erased_pays_no_more(plan: Buyer, accounts: Accounts) -> None:
    page = portal(plan)
    with accounts.database.write() as session:
        accounts.erasures.request(session, plan.person.account_id)

    accounts.webhooks.sweep_subscriptions()

    assert heading(plan.browser.get(page)) == "This plan has ended"


def test_nobody_sees_or_changes_the_plan_of_another(plan: Buyer, join: Join) -> None:
    stranger = join()

    assert stranger.get("/v1/billing/subscription").status_code == 404
    assert stranger.post("/v1/billing/portal").status_code == 404


def test_nobody_signs_for_the_sandbox(plan: Buyer) -> None:
    answer = plan.browser.post(
        "/v1/billing/providers/sandbox/webhook", content=b"{}", headers={"content-type": "application/json"}
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "wrong_signature")


def plan_of(accounts: Accounts, buyer: Buyer) -> str:
    with accounts.database.read() as session:
        return accounts.users.get(session, buyer.person.account_id).plan


def test_what_the_sandbox_told_and_nobody_heard_is_found(plan: Buyer, accounts: Accounts, clock: Clock) -> None:
    sandbox = accounts.payments.provider
    assert isinstance(sandbox, Sandbox)
    sandbox.tester.renew(portal(plan).rpartition("/")[2], succeeds=True)
    assert plan.credits() == WELCOME + MONTH

    for _ in range(2):
        clock.advance(minutes=2)
        accounts.provider_feed.read()

    assert plan.credits() == WELCOME + 2 * MONTH


def test_a_plan_that_was_ended_is_over_when_its_month_is(plan: Buyer, accounts: Accounts, clock: Clock) -> None:
    press(plan, "end-with-period")
    clock.advance(days=31)

    accounts.webhooks.sweep_subscriptions()

    assert plan_of(accounts, plan) == "free"
