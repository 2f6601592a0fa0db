"""Queries about partners' topics."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import Table, delete, select, update

from services.kit.database import ReadSession, WriteSession
from services.kit.inserting import insert_unless_present
from services.notifier.event_topics.models import EventTopic
from services.notifier.events.models import EventLog

_TABLE = cast(Table, EventTopic.__table__)


def of_account(session: ReadSession, account_id: str) -> EventTopic | None:
    """The account's topic, given up or not."""
    return session.scalar(select(EventTopic).where(EventTopic.account_id == account_id))


def add(session: WriteSession, topic_id: str, account_id: str, *, after: int) -> bool:
    """Notes a topic that is to have the events above `after`; False where the account has one."""
    row = {
        "id": topic_id,
        "account_id": account_id,
        "created_at": session.now(),
        "published_sequence": after,
        "closed_at": None,
    }
    insert_unless_present(session, _TABLE, row)
    return session.get(EventTopic, topic_id) is not None


def close(session: WriteSession, account_id: str, at: datetime) -> None:
    """Gives the account's topic up."""
    open_one = (EventTopic.account_id == account_id, EventTopic.closed_at.is_(None))
    session.execute(update(EventTopic).where(*open_one).values(closed_at=at))


def closed(session: ReadSession) -> Sequence[EventTopic]:
    """Those that were given up."""
    return session.scalars(select(EventTopic).where(EventTopic.closed_at.is_not(None))).all()


def behind(session: ReadSession) -> Sequence[tuple[EventTopic, int]]:
    """Those that lack events of their account, with the number of its last."""
    query = (
        select(EventTopic, EventLog.last_sequence)
        .join(EventLog, EventLog.account_id == EventTopic.account_id)
        .where(EventTopic.closed_at.is_(None), EventLog.last_sequence > EventTopic.published_sequence)
    )
    return [(row[0], row[1]) for row in session.execute(query)]


def published(session: WriteSession, topic_id: str, sequence: int) -> None:
    """Notes how far a topic is written."""
    lower = (EventTopic.id == topic_id, EventTopic.published_sequence < sequence)
    session.execute(update(EventTopic).where(*lower).values(published_sequence=sequence))


def drop(session: WriteSession, topic_id: str) -> None:
    """Forgets a topic that is gone."""
    session.execute(delete(EventTopic).where(EventTopic.id == topic_id))
