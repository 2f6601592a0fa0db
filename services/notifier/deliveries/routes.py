"""Deliveries to the webhook endpoints of an account."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Body, Query

from services.kit.database import ReadSession
from services.kit.errors import answers
from services.kit.paging import DeliveryCursor, Limit
from services.kit.schemas import DeliveryId, EndpointId, Page, examples
from services.notifier.deliveries import repository as deliveries
from services.notifier.deliveries.errors import DeliveryNotFound
from services.notifier.deliveries.models import Delivery
from services.notifier.deliveries.queue import view_of
from services.notifier.deliveries.schemas import DeliveryStatus, DeliveryView, Redelivered, Redelivery
from services.notifier.dependencies import DatabaseDep, EndpointsDep, Partner, QueueDep
from services.notifier.endpoints.errors import EndpointDisabled, EndpointNotFound
from services.notifier.endpoints.models import WebhookEndpoint
from services.notifier.events.models import PublicEvent

router = APIRouter(tags=["partners"])

PAGE_BYTES = 4 * 1024 * 1024
"""Most that a page holds. Two kilobytes of an answer may be twelve as JSON, and a gateway passes 8 MiB on."""


@router.post(
    "/v1/webhook-endpoints/{endpoint_id}/test",
    summary="Send a test event",
    status_code=202,
    responses=answers(EndpointNotFound, EndpointDisabled),
)
def send_test_event(
    endpoint_id: EndpointId, partner: Partner, database: DatabaseDep, endpoints: EndpointsDep, queue: QueueDep
) -> DeliveryView:
    """Sends `webhook_endpoint.test`, signed and tried like any event. It is in no feed and has no number."""
    with database.write() as session:
        endpoint = _enabled(endpoints.get(session, partner.account_id, endpoint_id))
        delivery = queue.enqueue_test(session, endpoint)
        session.flush()
        return views_of(session, [delivery])[0]


@router.get(
    "/v1/webhook-endpoints/{endpoint_id}/deliveries",
    summary="List deliveries to a webhook endpoint",
    responses=answers(EndpointNotFound),
)
def list_webhook_deliveries(
    endpoint_id: EndpointId,
    partner: Partner,
    database: DatabaseDep,
    endpoints: EndpointsDep,
    status: Annotated[DeliveryStatus | None, Query(description="Only of this status.")] = None,
    limit: Limit = 20,
    cursor: DeliveryCursor = None,
) -> Page[DeliveryView]:
    """What was sent, what was answered, and how long it took; newest first."""
    with database.read() as session:
        endpoint = endpoints.get(session, partner.account_id, endpoint_id)
        found = deliveries.page(session, endpoint.id, status=status, before=cursor, limit=limit + 1)
        return page_of(session, found, limit)


@router.post(
    "/v1/webhook-endpoints/{endpoint_id}/redeliver",
    summary="Send several events again",
    status_code=202,
    responses=answers(EndpointNotFound, EndpointDisabled),
)
def redeliver_webhooks(
    endpoint_id: EndpointId,
    body: Annotated[Redelivery, Body(openapi_examples=examples({}, a_range={"from_sequence": 1, "to_sequence": 100}))],
    partner: Partner,
    database: DatabaseDep,
    endpoints: EndpointsDep,
    queue: QueueDep,
) -> Redelivered:
    """All that was given up, or the events of a range, those included that were never sent there."""
    with database.write() as session:
        endpoint = _enabled(endpoints.get(session, partner.account_id, endpoint_id))
        if body.from_sequence is not None and body.to_sequence is not None:
            number = queue.range_again(session, endpoint, body.from_sequence, body.to_sequence)
        else:
            number = queue.failed_again(session, endpoint)
    return Redelivered(deliveries=number)


@router.post(
    "/v1/webhook-deliveries/{delivery_id}/redeliver",
    summary="Send an event again",
    status_code=202,
    responses=answers(DeliveryNotFound, EndpointDisabled),
)
def redeliver_webhook(
    delivery_id: DeliveryId, partner: Partner, database: DatabaseDep, endpoints: EndpointsDep, queue: QueueDep
) -> DeliveryView:
    """Under the same `webhook-id`, from the beginning of the schedule."""
    with database.write() as session:
        found = deliveries.find(session, partner.account_id, delivery_id)
        if found is None:
            raise DeliveryNotFound
        if found.callback_url is None:
            _enabled(endpoints.get(session, partner.account_id, found.endpoint_id))
        delivery = deliveries.lock(session, delivery_id)
        if delivery is None:
            raise DeliveryNotFound
        queue.again(session, delivery)
        session.flush()
        return views_of(session, [delivery])[0]


def _enabled(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    if not endpoint.enabled:
        raise EndpointDisabled
    return endpoint


def page_of(session: ReadSession, found: Sequence[Delivery], limit: int) -> Page[DeliveryView]:
    """As many of these as fit on a page of `limit` deliveries and of `PAGE_BYTES`, and at least one."""
    shown: list[DeliveryView] = []
    size_bytes = 0
    for view in views_of(session, found[:limit]):
        size_bytes += len(view.model_dump_json().encode())
        if shown and size_bytes > PAGE_BYTES:
            break
        shown.append(view)
    return Page(items=shown, next_cursor=shown[-1].id if len(found) > len(shown) else None)


def views_of(session: ReadSession, found: Sequence[Delivery]) -> list[DeliveryView]:
    attempts = deliveries.attempts_of(session, [delivery.id for delivery in found])
    return [
        DeliveryView.of(delivery, attempts[delivery.id], view_of(session.get(PublicEvent, delivery.event_id), delivery))
        for delivery in found
    ]
