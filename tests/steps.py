"""How much SQLite does for a question: counted, because a busy machine says nothing by its clock."""

from collections.abc import Callable
from typing import Any

from services.kit.database import Database, ReadSession


def steps_of(database: Database, read: Callable[[ReadSession], object]) -> int:
    """Instructions of SQLite's machine that reading takes."""
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    with database.read() as session:
        connection: Any = session.connection().connection.driver_connection
        connection.set_progress_handler(count, 1)
        try:
            read(session)
        finally:
            connection.set_progress_handler(None, 0)
    return steps
