"""What tests of webhooks ask the API about them."""

from typing import Any

from sqlalchemy import select

from services.kit.events.topics import WEBHOOKS
from services.kit.protos import webhooks_pb2
from services.kit.tables import OUTBOX
from services.notifier.deliveries.outcomes import Outcome
from services.notifier.deliveries.repository import Due
from tests.services.notifier.conftest import BEGIN, Notifier

ENDPOINTS = "/v1/webhook-endpoints"


def add(notifier: Notifier, url: str, **wanted: Any) -> Any:
    return notifier.call("POST", ENDPOINTS, json={"url": url, **wanted}, status=201)


def deliveries(notifier: Notifier, endpoint: Any, **query: Any) -> list[Any]:
    items: list[Any] = notifier.get(f"{ENDPOINTS}/{endpoint['id']}/deliveries", **query)["items"]
    return items


def tried(notifier: Notifier, endpoint: Any, times: int) -> list[Any]:
    """Deliveries that wait after so many tries."""
    return [
        delivery
        for delivery in deliveries(notifier, endpoint, status="pending")
        if len(delivery["attempts"]) == times and delivery["due_at"]
    ]


def settled(notifier: Notifier, endpoint: Any) -> bool:
    return all(delivery["status"] != "pending" for delivery in deliveries(notifier, endpoint))


def letters(notifier: Notifier) -> list[webhooks_pb2.WebhookEndpointDisabled]:
    """What accounts is told to write to owners of endpoints about."""
    with notifier.database.read() as session:
        values = session.scalars(select(OUTBOX.c.value).where(OUTBOX.c.topic == WEBHOOKS.name)).all()
    return [webhooks_pb2.WebhookEndpointDisabled.FromString(value) for value in values]


def outcome(status_code: int) -> Outcome:
    return Outcome(BEGIN, 0.1, status_code)


def any_number(_due: Due) -> int:
    return 9
