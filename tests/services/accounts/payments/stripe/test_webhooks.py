"""What Stripe tells: over HTTP, signed, and each once."""

import logging
import socket
from contextlib import ExitStack
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from services.accounts.app import build
from services.accounts.payments import subscription_repository as subscriptions
from services.accounts.payments.errors import ProviderUnavailable
from services.accounts.payments.places import REQUESTS_AT_PROVIDER
from services.accounts.payments.stripe_objects import SUBJECTS
from services.accounts.payments.stripe_provider import NETWORK_RETRIES, Stripe
from services.accounts.settings import Settings
from services.kit.database import Database
from tests.app_client import AppClient
from tests.clocks import Clock
from tests.databases import PATIENCE_SECONDS, on_sqlite
from tests.services.accounts.payments.stripe.serving import WEBHOOK_SECRET, signed
from tests.services.accounts.payments.stripe.shop import Shop, options


def test_an_event_that_was_dealt_with_costs_no_call(shop: Shop) -> None:
    _, session_id = shop.order()
    (event,) = shop.double.pay(session_id)
    shop.tell(event)
    calls = len(shop.double.calls)

    shop.tell(event, event | {"id": "evt_the_same_again"}, shop.double.event("customer.created", {"id": "cus_1"}))

    assert len(shop.double.calls) == calls


def test_what_was_told_is_forgotten_after_a_month(shop: Shop, clock: Clock) -> None:
    _, session_id = shop.order()
    (event,) = shop.double.pay(session_id)
    shop.tell(event)
    clock.advance(days=31)

    shop.made.webhooks.forget()

    with shop.database.read() as session:
        assert not subscriptions.was_told(session, "stripe", event["id"])
    shop.tell(event)
    assert shop.credits == 4200


class TestWebhookRoute:
    """Over HTTP, as Stripe calls it."""

    @pytest.fixture
    def client(self, shop: Shop, database: Database) -> TestClient:
        settings = Settings(
            payment_provider="stripe",
            stripe_secret_key="sk_test_1",
            stripe_webhook_secret=WEBHOOK_SECRET,
            stripe_api_url=shop.double.url,
        )
        return AppClient(build(settings, shop.accounts.keys, database), raise_server_exceptions=False)

    def post(self, client: TestClient, body: bytes, signature: str | None, provider: str = "stripe") -> tuple[int, str]:
        headers = {"content-type": "application/json"}
        if signature is not None:
            headers["stripe-signature"] = signature
        answer = client.post(f"/v1/billing/providers/{provider}/webhook", content=body, headers=headers)
        return answer.status_code, answer.json()["code"] if answer.content else ""

    def test_a_signed_event_is_acted_on(self, client: TestClient, shop: Shop) -> None:
        _, session_id = shop.order()
        (event,) = shop.double.pay(session_id)

        assert [self.post(client, *signed(event)) for _ in range(3)] == [(204, "")] * 3
        assert shop.credits == 4200

    @on_sqlite
    @pytest.mark.parametrize("wrong", ["none", "other secret", "other body", "old", "no json", "no event", "nonsense"])
    def test_what_is_not_signed_is_refused_and_logged(
        self, client: TestClient, shop: Shop, wrong: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        _, session_id = shop.order()
        (event,) = shop.double.pay(session_id)
        body, signature = signed(event)
        given: tuple[bytes, str | None] = {
            "none": (body, None),
            "other secret": signed(event, "whsec_other"),
            "other body": (body + b" ", signature),
            "old": signed(event, age_seconds=301),
            "no json": (b"\xff", signature),
            "no event": signed({"object": "event"}),
            "nonsense": (body, "t=soon,v1="),
        }[wrong]

        with caplog.at_level(logging.WARNING):
            assert self.post(client, *given) == (400, "wrong_signature")

        assert "a webhook is refused" in caplog.text
        assert shop.credits == 600

    def test_another_provider_is_not_found(self, client: TestClient, shop: Shop) -> None:
        event = signed(shop.double.event("customer.created", {"id": "cus_1"}))
        assert self.post(client, *event, provider="paypal") == (404, "provider_not_found")

    def test_while_stripe_is_away_it_is_told_to_come_again(self, client: TestClient, shop: Shop) -> None:
        _, session_id = shop.order()
        (event,) = shop.double.pay(session_id)
        shop.double.is_away = True
        assert self.post(client, *signed(event)) == (503, "payment_provider_unavailable")

        shop.double.is_away = False
        assert self.post(client, *signed(event))[0] == 204
        assert shop.credits == 4200


def test_every_event_of_the_list_is_one_that_stripe_has() -> None:
    from stripe import WebhookEndpoint  # noqa: F401 - the types of events stand beside it
    from stripe.params._webhook_endpoint_create_params import WebhookEndpointCreateParams

    known = str(WebhookEndpointCreateParams.__annotations__["enabled_events"])
    assert [kind for kind in SUBJECTS if f"'{kind}'" not in known] == []


def test_a_webhook_that_finds_no_place_comes_again(shop: Shop) -> None:
    checkout_id, session_id = shop.order()
    events = shop.double.pay(session_id)
    with ExitStack() as taken:
        for _ in range(REQUESTS_AT_PROVIDER):
            taken.enter_context(shop.made.places.one())
        with pytest.raises(ProviderUnavailable):
            shop.tell(*events)
    shop.tell(*events)
    assert shop.status(checkout_id) == "paid"


@on_sqlite
def test_one_that_never_answers_is_not_waited_for_long(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.accounts.payments.stripe_provider.ANSWER_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE_SECONDS)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        stripe = Stripe(replace(options(shop.double), api_url=url))
        with pytest.raises(ProviderUnavailable):
            stripe.session("cs_1")
        tried = [silent.accept()[0] for _ in range(1 + NETWORK_RETRIES)]
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):
            silent.accept()
        for connection in tried:
            connection.close()
