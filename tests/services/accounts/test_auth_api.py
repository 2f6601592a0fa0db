"""Registering, signing in, refreshing and signing out over HTTP."""

from services.kit.protos import billing_pb2
from tests.services.accounts.conftest import PASSWORD, Join, Outbox
from tests.services.accounts.http import TestClient


def test_a_new_user_gets_welcome_credits_and_the_orchestrator_hears_of_it(client: TestClient, outbox: Outbox) -> None:
    answer = client.post(
        "/v1/auth/register", json={"email": "Ada@Example.COM", "password": PASSWORD, "display_name": " Ada "}
    )

    assert answer.status_code == 201
    user = answer.json()
    assert user["email"] == "Ada@example.com"
    assert user["display_name"] == "Ada"
    assert user["roles"] == ["user"]
    assert "password" not in answer.text
    told = outbox.last()
    assert isinstance(told, billing_pb2.BalanceChanged)
    assert (told.account_id, told.balance.available_credits, told.balance.version) == (user["id"], 600, 1)


def test_signing_in_gives_a_token_that_opens_the_account(join: Join) -> None:
    person = join()

    assert person.tokens["token_type"] == "Bearer"
    assert person.tokens["expires_in"] == 600
    assert person.get("/v1/me").json()["id"] == person.account_id
    assert person.get("/v1/billing/balance").json() == {"available_credits": 600, "reserved_credits": 0}
