"""Each event takes effect once: its id is noted in the transaction of its effect."""

from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from services.kit.database import WriteSession
from services.kit.tables import INBOX


def insert_unless_present(session: WriteSession, table: Table, values: dict[str, Any]) -> bool:
    """Inserts a row and returns True, or returns False where its primary key is taken already."""
    dialect = sqlite if session.database.is_sqlite else postgresql
    insert = dialect.insert(table).values(**values).on_conflict_do_nothing().returning(*table.primary_key)
    return session.execute(insert).one_or_none() is not None


def first_time(session: WriteSession, consumer: str, event_id: str) -> bool:
    """True the first time this consumer meets the event; False when its effect is in the database already."""
    return insert_unless_present(
        session, INBOX, {"consumer": consumer, "event_id": event_id, "received_at": session.now()}
    )
