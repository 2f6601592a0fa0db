"""Rows of which there is one, however often they are written."""

from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from services.kit.database import WriteSession


def insert_unless_present(session: WriteSession, table: Table, values: dict[str, Any]) -> bool:
    """Inserts a row and returns True, or returns False where its primary key is taken already."""
    dialect = sqlite if session.database.is_sqlite else postgresql
    insert = dialect.insert(table).values(**values).on_conflict_do_nothing().returning(*table.primary_key)
    return session.execute(insert).one_or_none() is not None
