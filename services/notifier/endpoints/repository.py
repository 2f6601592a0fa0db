"""Queries about webhook endpoints."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, select, update

from services.kit.database import ReadSession, WriteSession
from services.notifier.deliveries.models import Delivery
from services.notifier.endpoints.models import WebhookEndpoint


def find(session: ReadSession, account_id: str, endpoint_id: str) -> WebhookEndpoint | None:
    query = select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id, *_shown(account_id))
    return session.scalars(query).one_or_none()


def lock(session: WriteSession, endpoint_id: str) -> WebhookEndpoint | None:
    """Whoever's it is. What refers to it may still be added meanwhile."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id)
    return session.scalars(
        query.with_for_update(key_share=True).execution_options(populate_existing=True)
    ).one_or_none()


def lock_all(session: WriteSession, endpoint_ids: Collection[str]) -> Mapping[str, WebhookEndpoint]:
    """These, whoever's they are, locked one after the other in the order of their ids."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.id.in_(endpoint_ids)).order_by(WebhookEndpoint.id)
    locked = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    return {endpoint.id: endpoint for endpoint in session.scalars(locked)}


def of_ids(session: ReadSession, endpoint_ids: Collection[str]) -> Mapping[str, WebhookEndpoint]:
    """Those of these that there are, whoever's they are."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.id.in_(endpoint_ids))
    return {endpoint.id: endpoint for endpoint in session.scalars(query)}


def page(session: ReadSession, account_id: str, *, before: str | None, limit: int) -> Sequence[WebhookEndpoint]:
    """The account's endpoints, the newest first, those older than the id `before`."""
    query = select(WebhookEndpoint).where(*_shown(account_id))
    if before is not None:
        query = query.where(WebhookEndpoint.id < before)
    return session.scalars(query.order_by(WebhookEndpoint.id.desc()).limit(limit)).all()


def page_of_all(session: ReadSession, after: str, limit: int) -> Sequence[WebhookEndpoint]:
    """Those of all accounts with ids above `after`, in the order of these; without those of callbacks."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.id > after, WebhookEndpoint.callback_origin.is_(None))
    return session.scalars(query.order_by(WebhookEndpoint.id).limit(limit)).all()


def count(session: ReadSession, account_id: str) -> int:
    query = select(func.count()).select_from(WebhookEndpoint).where(*_shown(account_id))
    return session.scalars(query).one()


def told_of(session: ReadSession, account_id: str, event_type: str) -> Sequence[str]:
    """The ids of those that are told of events of this type."""
    query = select(WebhookEndpoint.id, WebhookEndpoint.event_types).where(*_shown(account_id), WebhookEndpoint.enabled)
    return [row.id for row in session.execute(query) if not row.event_types or event_type in row.event_types]


def enabled_before(session: WriteSession, account_id: str, moment: datetime) -> Sequence[WebhookEndpoint]:
    """Those that have been enabled since before this, locked."""
    query = select(WebhookEndpoint).where(
        *_shown(account_id), WebhookEndpoint.enabled, WebhookEndpoint.enabled_at < moment
    )
    return session.scalars(query.order_by(WebhookEndpoint.id).with_for_update(key_share=True)).all()


def delete_one(session: WriteSession, account_id: str, endpoint_id: str) -> bool:
    """Whether there was such an endpoint to delete; what deliveries it has left go with it."""
    gone = delete(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id, *_shown(account_id))
    return session.scalar(gone.returning(WebhookEndpoint.id)) is not None


def callback_endpoint(session: ReadSession, account_id: str, origin: str) -> WebhookEndpoint | None:
    """The queue of the account's callbacks to a host."""
    query = select(WebhookEndpoint).where(
        WebhookEndpoint.account_id == account_id, WebhookEndpoint.callback_origin == origin
    )
    return session.scalars(query).one_or_none()


def count_callbacks(session: ReadSession, account_id: str) -> int:
    """How many hosts of the account have a queue."""
    query = select(func.count()).select_from(WebhookEndpoint).where(*_hidden(account_id))
    return session.scalars(query).one()


def locked_callbacks(session: WriteSession, account_id: str) -> Sequence[WebhookEndpoint]:
    """The queues of the account's callbacks, locked."""
    query = select(WebhookEndpoint).where(*_hidden(account_id)).order_by(WebhookEndpoint.id)
    return session.scalars(query.with_for_update(key_share=True)).all()


def delete_idle_callbacks(session: WriteSession, before: datetime) -> None:
    """Deletes queues of callbacks that were made before this and that nothing is known of any more."""
    known = select(Delivery.id).where(Delivery.endpoint_id == WebhookEndpoint.id).exists()
    session.execute(
        delete(WebhookEndpoint)
        .where(WebhookEndpoint.callback_origin.is_not(None), WebhookEndpoint.created_at < before, ~known)
        .execution_options(synchronize_session=False)
    )


def stop_all(session: WriteSession, account_id: str) -> None:
    """Nothing more is sent to those of the account, those of callbacks included."""
    session.execute(update(WebhookEndpoint).where(WebhookEndpoint.account_id == account_id).values(enabled=False))


def delete_all(session: WriteSession, account_id: str) -> int:
    """Those of callbacks too, with what deliveries they have left; how many."""
    gone = delete(WebhookEndpoint).where(WebhookEndpoint.account_id == account_id).returning(WebhookEndpoint.id)
    return len(session.scalars(gone).all())


def _shown(account_id: str) -> tuple[ColumnElement[bool], ...]:
    return WebhookEndpoint.account_id == account_id, WebhookEndpoint.callback_origin.is_(None)


def _hidden(account_id: str) -> tuple[ColumnElement[bool], ...]:
    return WebhookEndpoint.account_id == account_id, WebhookEndpoint.callback_origin.is_not(None)
