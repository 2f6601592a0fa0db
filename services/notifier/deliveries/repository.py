"""Queries about webhook deliveries."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, select, update

from services.kit.database import ReadSession, WriteSession
from services.notifier.deliveries.models import Attempt, Delivery
from services.notifier.endpoints.models import WebhookEndpoint


def find(session: ReadSession, account_id: str, delivery_id: str) -> Delivery | None:
    query = select(Delivery).where(Delivery.id == delivery_id, Delivery.account_id == account_id)
    return session.scalars(query).one_or_none()


def lock(session: WriteSession, delivery_id: str) -> Delivery | None:
    query = select(Delivery).where(Delivery.id == delivery_id)
    return session.scalars(
        query.with_for_update(key_share=True).execution_options(populate_existing=True)
    ).one_or_none()


def page(
    session: ReadSession, endpoint_id: str, *, status: str | None, before: str | None, limit: int
) -> Sequence[Delivery]:
    """Deliveries to an endpoint, the newest first, those older than the id `before`."""
    query = select(Delivery).where(Delivery.endpoint_id == endpoint_id)
    if status is not None:
        query = query.where(Delivery.status == status)
    if before is not None:
        query = query.where(Delivery.id < before)
    return session.scalars(query.order_by(Delivery.id.desc()).limit(limit)).all()


def page_of_callbacks(
    session: ReadSession, account_id: str, *, status: str | None, before: str | None, limit: int
) -> Sequence[Delivery]:
    """Deliveries to addresses that orders of the account named, likewise."""
    query = select(Delivery).where(Delivery.account_id == account_id, Delivery.callback_url.is_not(None))
    if status is not None:
        query = query.where(Delivery.status == status)
    if before is not None:
        query = query.where(Delivery.id < before)
    return session.scalars(query.order_by(Delivery.id.desc()).limit(limit)).all()


def attempts_of(session: ReadSession, delivery_ids: Collection[str]) -> Mapping[str, list[Attempt]]:
    """What was tried, by delivery, in its order."""
    found: dict[str, list[Attempt]] = {delivery_id: [] for delivery_id in delivery_ids}
    for attempt in session.scalars(select(Attempt).where(Attempt.delivery_id.in_(delivery_ids)).order_by(Attempt.id)):
        found[attempt.delivery_id].append(attempt)
    return found


def failed(session: ReadSession, endpoint_id: str, *, limit: int) -> Sequence[Delivery]:
    """The oldest that were given up."""
    query = select(Delivery).where(Delivery.endpoint_id == endpoint_id, Delivery.status == "failed")
    return session.scalars(query.order_by(Delivery.id).limit(limit)).all()


def of_events(session: ReadSession, endpoint_id: str, event_ids: Collection[str]) -> Mapping[str, Delivery]:
    """Those of these events that the endpoint has a delivery of."""
    query = select(Delivery).where(Delivery.endpoint_id == endpoint_id, Delivery.event_id.in_(event_ids))
    return {delivery.event_id: delivery for delivery in session.scalars(query)}


def due_endpoints(session: ReadSession, now: datetime) -> list[tuple[str, bool]]:
    """Endpoints that something is due for, and whether they fail: those that do not come first.

    One look into the index for each endpoint, however much waits for it.
    """
    first = (
        select(Delivery.due_at)
        .where(Delivery.endpoint_id == WebhookEndpoint.id, Delivery.status == "pending", Delivery.due_at <= now)
        .order_by(Delivery.due_at)
        .limit(1)
        .correlate(WebhookEndpoint)
        .scalar_subquery()
    )
    found = (
        select(WebhookEndpoint.id, WebhookEndpoint.failing_since, first.label("due_at"))
        .where(WebhookEndpoint.enabled)
        .subquery()
    )
    query = select(found).where(found.c.due_at.is_not(None))
    rows = session.execute(query.order_by(found.c.failing_since.is_not(None), found.c.due_at))
    return [(row.id, row.failing_since is not None) for row in rows]


def lock_due(session: WriteSession, endpoint_id: str, now: datetime, *, limit: int) -> Sequence[Delivery]:
    """What is due for an endpoint and nobody else is about to take, the oldest first."""
    query = select(Delivery).where(
        Delivery.endpoint_id == endpoint_id, Delivery.status == "pending", Delivery.due_at <= now
    )
    return session.scalars(query.order_by(Delivery.due_at).limit(limit).with_for_update(skip_locked=True)).all()


def give_up_all(session: WriteSession, endpoint_id: str) -> None:
    """Nothing waits for this endpoint any more."""
    session.execute(
        update(Delivery)
        .where(Delivery.endpoint_id == endpoint_id, Delivery.status == "pending")
        .values(status="failed", due_at=None, claim=None, finished_at=session.now())
    )


def prune(session: WriteSession, before: datetime, *, limit: int) -> int:
    """Deletes deliveries that were made before this; how many."""
    old = select(Delivery.id).where(Delivery.created_at < before).order_by(Delivery.created_at).limit(limit)
    return len(session.scalars(delete(Delivery).where(Delivery.id.in_(old)).returning(Delivery.id)).all())
