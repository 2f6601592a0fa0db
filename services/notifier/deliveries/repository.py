"""Queries about webhook deliveries."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, Integer, Row, Table, bindparam, delete, func, insert, select, update

from services.kit.database import ReadSession, WriteSession
from services.notifier.deliveries.models import Attempt, Delivery
from services.notifier.deliveries.schedule import ATTEMPTS_KEPT
from services.notifier.endpoints.models import WebhookEndpoint

# What every try passes through is done by statements that are made once, on rows instead of objects: most of what a
# delivery costs would be their making otherwise.
_DELIVERIES = cast(Table, Delivery.__table__)
_ATTEMPTS = cast(Table, Attempt.__table__)
_DUE = (
    select(_DELIVERIES.c.id)
    .where(
        _DELIVERIES.c.endpoint_id == bindparam("endpoint"),
        _DELIVERIES.c.status == "pending",
        _DELIVERIES.c.due_at <= bindparam("now"),
    )
    .order_by(_DELIVERIES.c.due_at)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_CLAIM = (
    update(_DELIVERIES)
    .where(_DELIVERIES.c.id.in_(select(_DUE.c.id)))
    .values(claim=bindparam("new_claim"), due_at=bindparam("until"))
    .returning(_DELIVERIES)
)
_CLAIMED = (
    select(_DELIVERIES.c.id, _DELIVERIES.c.claim, _DELIVERIES.c.tries)
    .where(_DELIVERIES.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(_DELIVERIES.c.id)
    .with_for_update(key_share=True)
)
_SETTLE = (
    update(_DELIVERIES)
    .where(_DELIVERIES.c.id == bindparam("delivery"))
    .values(
        claim=None,
        status=bindparam("new_status"),
        tries=bindparam("new_tries"),
        due_at=bindparam("next_due_at"),
        finished_at=bindparam("ended_at"),
    )
)
_NUMBERED = (
    select(
        _ATTEMPTS.c.id,
        func.row_number().over(partition_by=_ATTEMPTS.c.delivery_id, order_by=_ATTEMPTS.c.id.desc()).label("place"),
    )
    .where(_ATTEMPTS.c.delivery_id.in_(bindparam("ids", expanding=True)))
    .subquery()
)
"""The attempts of deliveries, each with its place from the newest on."""
_DROP_OLDER = delete(_ATTEMPTS).where(
    _ATTEMPTS.c.id.in_(select(_NUMBERED.c.id).where(_NUMBERED.c.place > ATTEMPTS_KEPT))
)
_GIVE_BACK = (
    update(_DELIVERIES)
    .where(_DELIVERIES.c.id == bindparam("delivery"), _DELIVERIES.c.claim == bindparam("old_claim"))
    .values(claim=None, due_at=bindparam("now"))
)


def add(session: WriteSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts deliveries, by column name."""
    session.execute(insert(_DELIVERIES), rows)


def add_attempts(session: WriteSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts what came of tries, by column name; of each delivery the newest `ATTEMPTS_KEPT` stay."""
    session.execute(insert(_ATTEMPTS), rows)
    session.execute(_DROP_OLDER, {"ids": list({row["delivery_id"] for row in rows})})


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
    """What was tried, by delivery, in its order; the newest `ATTEMPTS_KEPT` of each."""
    found: dict[str, list[Attempt]] = {delivery_id: [] for delivery_id in delivery_ids}
    shown = select(Attempt).join(_NUMBERED, _NUMBERED.c.id == Attempt.id).where(_NUMBERED.c.place <= ATTEMPTS_KEPT)
    for attempt in session.scalars(shown.order_by(Attempt.id), {"ids": list(delivery_ids)}):
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


class Due(NamedTuple):
    """An endpoint that something is due for."""

    endpoint_id: str
    account_id: str
    failing: bool


def due_endpoints(session: ReadSession, now: datetime) -> list[Due]:
    """Endpoints that something is due for: those that do not fail come first.

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
        select(WebhookEndpoint.id, WebhookEndpoint.account_id, WebhookEndpoint.failing_since, first.label("due_at"))
        .where(WebhookEndpoint.enabled)
        .subquery()
    )
    query = select(found).where(found.c.due_at.is_not(None))
    rows = session.execute(query.order_by(found.c.failing_since.is_not(None), found.c.due_at))
    return [Due(row.id, row.account_id, row.failing_since is not None) for row in rows]


def claim_due(
    session: WriteSession, endpoint_id: str, now: datetime, *, claim: str, until: datetime, limit: int
) -> Sequence[Row[Any]]:
    """Claims what is due for an endpoint and nobody else is about to take, the oldest first; those deliveries."""
    wanted = {"endpoint": endpoint_id, "now": now, "most": limit, "new_claim": claim, "until": until}
    return sorted(session.execute(_CLAIM, wanted), key=lambda delivery: delivery.id)


def lock_claimed(session: WriteSession, claims: Mapping[str, str]) -> Mapping[str, int]:
    """Of these deliveries, by their claims, those that still are under them, locked; how often each was tried."""
    found = session.execute(_CLAIMED, {"ids": list(claims)})
    return {delivery.id: delivery.tries for delivery in found if delivery.claim == claims[delivery.id]}


def settle(session: WriteSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Says of claimed deliveries how they stand now; nobody has them any more."""
    session.execute(_SETTLE, rows)


def give_back(session: WriteSession, claims: Mapping[str, str]) -> None:
    """Those of these deliveries that still are under their claims are due, and anybody's."""
    now = session.now()
    rows = [{"delivery": key, "old_claim": claims[key], "now": now} for key in sorted(claims)]
    if rows:
        session.execute(_GIVE_BACK, rows)


def give_up_all(session: WriteSession, endpoint_id: str) -> None:
    """Nothing waits for this endpoint any more."""
    session.execute(
        update(Delivery)
        .where(Delivery.endpoint_id == endpoint_id, Delivery.status == "pending")
        .values(status="failed", due_at=None, claim=None, finished_at=session.now())
    )


def delete_some(session: WriteSession, *, of: ColumnElement[bool], limit: int) -> int:
    """Deletes deliveries, with their attempts; how many."""
    some = select(Delivery.id).where(of).limit(limit)
    return len(session.scalars(delete(Delivery).where(Delivery.id.in_(some)).returning(Delivery.id)).all())


def prune(session: WriteSession, before: datetime, *, limit: int) -> int:
    """Deletes deliveries that were made before this; how many."""
    old = select(Delivery.id).where(Delivery.created_at < before).order_by(Delivery.created_at).limit(limit)
    return len(session.scalars(delete(Delivery).where(Delivery.id.in_(old)).returning(Delivery.id)).all())
