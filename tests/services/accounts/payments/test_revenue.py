"""What came in, as admins see it."""

from tests.clocks import Clock
from tests.services.accounts.conftest import Person
from tests.services.accounts.payments.conftest import Buyer


def test_what_came_in_is_told_by_step_and_currency(admin: Person, buyer: Buyer, clock: Clock) -> None:
    assert admin.get("/v1/admin/revenue").json()["currencies"] == []
    buyer.press(buyer.checkout(), "pay")
    clock.advance(minutes=5)
    for _ in range(2):
        buyer.press(buyer.checkout(), "pay")
    payment = buyer.payments()[0]["id"]
    admin.post(f"/v1/admin/payments/{payment}/refunds", json={"reason": "Twice", "amount_minor": 100})

    hour = admin.get("/v1/admin/revenue", params={"span": "hour"}).json()

    assert (hour["step_seconds"], len(hour["begins"])) == (300, 12)
    [euros] = hour["currencies"]
    assert euros["currency"] == "eur"
    assert (euros["paid_minor"][-2:], sum(euros["paid_minor"])) == ([300, 600], 900)
    assert (euros["refunded_minor"][-2:], sum(euros["refunded_minor"])) == ([0, 100], 100)
