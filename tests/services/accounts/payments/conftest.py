"""Accounts with the sandbox as its provider."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from services.accounts.accounts import Accounts
from services.accounts.plans.models import PriceKind
from services.accounts.plans.service import NewPrice, set_price
from services.accounts.settings import Settings
from tests.app_client import AppClient
from tests.made_settings import made_settings
from tests.services.accounts.conftest import QUICK_HASHES_KIB, Join, Person

ONE_HOUR = NewPrice(
    kind=PriceKind.PACK, code="one-hour", name="1 hour of music", credits=3600, amount_minor=300, currency="eur"
)

MONTHLY = NewPrice(
    kind=PriceKind.PLAN, code="monthly", name="10 hours a month", credits=36_000, amount_minor=1490, currency="eur"
)


@pytest.fixture
def settings() -> Settings:
    return made_settings(
        Settings,
        verify_email=False,
        welcome_credits=600,
        previews_per_day={"free": 3},
        password_waiting_max=100,
        password_memory_kib=QUICK_HASHES_KIB,
        payment_provider="sandbox",
        public_url="http://testserver",
        seller_name="Łódź Stems",
        seller_address="1 Main Street|Springfield",
        tax_percent=19,
    )


RETURN = "http://testserver/billing/return/"


class Buyer:
    """Somebody who buys, and whatever they see of it."""

    def __init__(self, person: Person, price_id: str) -> None:
        self.person = person
        self.order = {"price_id": price_id}
        self.browser = AppClient(person.client.app, raise_server_exceptions=False)

    def checkout(self) -> dict[str, Any]:
        answer = self.person.post("/v1/billing/checkouts", json=self.order)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def look(self, checkout: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.person.get(f"/v1/billing/checkouts/{checkout['id']}").json()
        return found

    def press(self, checkout: dict[str, Any], outcome: str, *, follow: bool = True) -> Any:
        return self.browser.post(checkout["url"], data={"outcome": outcome}, follow_redirects=follow)

    def come_back(self, checkout: dict[str, Any]) -> dict[str, Any]:
        """What the page tells that the provider leads back to, without a sign-in."""
        answer = self.browser.get(f"/v1/billing/returns/{checkout['id']}")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store"), answer.text
        found: dict[str, Any] = answer.json()
        return found

    def decide(self, checkout: dict[str, Any], outcome: str) -> str:
        """Presses, is led back, and returns what has become of the checkout."""
        pressed = self.press(checkout, outcome, follow=False)
        assert (pressed.status_code, pressed.headers["location"]) == (303, RETURN + checkout["id"])
        return str(self.come_back(checkout)["status"])

    def payments(self) -> list[dict[str, Any]]:
        return list(self.person.get("/v1/billing/payments").json()["items"])

    def credits(self) -> int:
        return int(self.person.get("/v1/billing/balance").json()["available_credits"])

    def ledger_kinds(self) -> list[str]:
        return [line["kind"] for line in reversed(self.person.get("/v1/billing/ledger").json()["items"])]


@pytest.fixture
def buyer(join: Join, accounts: Accounts) -> Buyer:
    with accounts.database.write() as session:
        price_id = set_price(session, ONE_HOUR).id
    return Buyer(join(), price_id)


@pytest.fixture
def subscriber(join: Join, accounts: Accounts) -> Buyer:
    """Somebody who is about to buy a plan."""
    with accounts.database.write() as session:
        price_id = set_price(session, MONTHLY).id
    return Buyer(join(), price_id)


def heading(page: Any) -> str:
    found = re.search("<h1>(.*)</h1>", page.text)
    assert found is not None, page.text
    return found[1]


NewBuyer = Callable[[], Buyer]
