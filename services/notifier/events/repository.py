"""Queries about public events."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import Table, delete, func, or_, select

from services.kit.database import ReadSession, WriteSession
from services.kit.inserting import insert_unless_present
from services.notifier.callbacks.models import CallbackAccount
from services.notifier.endpoints.models import WebhookEndpoint
from services.notifier.event_topics.models import EventTopic
from services.notifier.events.models import EventLog, PublicEvent

_LOGS = cast(Table, EventLog.__table__)


def lock_log(session: WriteSession, account_id: str) -> EventLog:
    """The account's log, which is nobody else's until the transaction ends."""
    insert_unless_present(session, _LOGS, {"account_id": account_id, "last_sequence": 0})
    return session.execute(select(EventLog).where(EventLog.account_id == account_id).with_for_update()).scalar_one()


def last_sequence(session: ReadSession, account_id: str) -> int:
    """The number of the account's last event; 0 before the first."""
    return session.scalar(select(EventLog.last_sequence).where(EventLog.account_id == account_id)) or 0


def last_read(session: ReadSession, account_id: str) -> datetime | None:
    """When the account's feed was last read, to within an hour."""
    return session.scalar(select(EventLog.read_at).where(EventLog.account_id == account_id))


def oldest_sequence(session: ReadSession, account_id: str) -> int | None:
    """The number of the account's oldest event that is kept."""
    return session.scalar(select(func.min(PublicEvent.sequence)).where(PublicEvent.account_id == account_id))


def latest_of(session: ReadSession, subject: str) -> PublicEvent | None:
    """The last that was told of a job, an upload or a payment, whoever's it is."""
    query = select(PublicEvent).where(PublicEvent.subject == subject).order_by(PublicEvent.stage.desc()).limit(1)
    return session.scalars(query).one_or_none()


def between(
    session: ReadSession, account_id: str, *, after: int, to: int, types: Collection[str] = (), limit: int
) -> Sequence[PublicEvent]:
    """The account's events with numbers above `after` up to `to`, the oldest first; of these types, or of all."""
    query = select(PublicEvent).where(
        PublicEvent.account_id == account_id, PublicEvent.sequence > after, PublicEvent.sequence <= to
    )
    if types:
        query = query.where(PublicEvent.type.in_(types))
    return session.scalars(query.order_by(PublicEvent.sequence).limit(limit)).all()


def of_ids(session: ReadSession, event_ids: Collection[str]) -> Mapping[str, PublicEvent]:
    """Those of these that are kept."""
    query = select(PublicEvent).where(PublicEvent.id.in_(event_ids))
    return {event.id: event for event in session.scalars(query)}


def drop_metadata(session: WriteSession, subject: str) -> None:
    """Takes what the client noted out of what was told of a job."""
    for event in session.scalars(select(PublicEvent).where(PublicEvent.subject == subject)):
        event.data = {"job": {**event.data["job"], "metadata": None}}


def prune(session: WriteSession, before: datetime, *, limit: int) -> int:
    """Deletes events that were recorded before this, the oldest first; how many."""
    old = select(PublicEvent.id).where(PublicEvent.recorded_at < before).order_by(PublicEvent.recorded_at).limit(limit)
    return len(session.scalars(delete(PublicEvent).where(PublicEvent.id.in_(old)).returning(PublicEvent.id)).all())


def crowded(session: ReadSession, most: int, read_since: datetime) -> Sequence[tuple[str, int]]:
    """Accounts with more than `most` events that nobody reads: the feed was not read since then, and neither webhooks
    nor callbacks nor a topic of their own carry them. Each with the number of the newest event that is too many."""
    last_to_go = EventLog.last_sequence - most
    elsewhere = [
        select(rows.account_id).where(rows.account_id == EventLog.account_id).exists()
        for rows in (WebhookEndpoint, CallbackAccount, EventTopic)
    ]
    too_many = select(PublicEvent.id).where(
        PublicEvent.account_id == EventLog.account_id, PublicEvent.sequence <= last_to_go
    )
    query = select(EventLog.account_id, last_to_go).where(
        EventLog.last_sequence > most,
        or_(EventLog.read_at.is_(None), EventLog.read_at < read_since),
        *(~each for each in elsewhere),
        too_many.exists(),
    )
    return [(row[0], row[1]) for row in session.execute(query)]


def delete_up_to(session: WriteSession, account_id: str, sequence: int, *, limit: int) -> int:
    """Deletes events of the account up to this number, the oldest first; how many."""
    old = select(PublicEvent.id).where(PublicEvent.account_id == account_id, PublicEvent.sequence <= sequence)
    some = old.order_by(PublicEvent.sequence).limit(limit)
    return len(session.scalars(delete(PublicEvent).where(PublicEvent.id.in_(some)).returning(PublicEvent.id)).all())


def delete_some(session: WriteSession, account_id: str, *, limit: int) -> int:
    """Deletes events of the account; how many."""
    some = select(PublicEvent.id).where(PublicEvent.account_id == account_id).limit(limit)
    return len(session.scalars(delete(PublicEvent).where(PublicEvent.id.in_(some)).returning(PublicEvent.id)).all())


def delete_log(session: WriteSession, account_id: str) -> None:
    session.execute(delete(EventLog).where(EventLog.account_id == account_id))
