"""A process that dies at a step of its choice."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from services.kit.database import Database

STEPS_MAX = 200


class KilledHere(BaseException):
    """The process dies; nothing in it may catch this."""


@contextmanager
def killed_at(database: Database, step: int) -> Iterator[list[str]]:
    """Dies before the `step`-th thing that reaches the database's writer, a commit counting as one of them."""
    done: list[str] = []

    def count(what: str) -> None:
        if len(done) == step:
            raise KilledHere(what)
        done.append(what)

    def on_statement(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if not statement.lstrip().upper().startswith(("SELECT", "BEGIN")):
            count(statement)

    def on_commit(_connection: Any) -> None:
        count("COMMIT")

    event.listen(database.write_engine, "before_cursor_execute", on_statement)
    event.listen(database.write_engine, "commit", on_commit)
    try:
        yield done
    finally:
        event.remove(database.write_engine, "before_cursor_execute", on_statement)
        event.remove(database.write_engine, "commit", on_commit)
        # What a process leaves behind: connections that end, and with them what was not committed.
        database.write_engine.dispose()
        _until_let_go(database)


def _until_let_go(database: Database) -> None:
    """Waits until the server has noticed: until then the dead process's rows are locked, and who passes over locked
    rows, as a sweeper does, would pass over them."""
    if database.write_engine.dialect.name != "postgresql":
        return
    deadline = time.monotonic() + 60
    with database.write_engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while connection.exec_driver_sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in trans%%'"
        ).scalar():
            assert time.monotonic() < deadline, "a transaction of a dead process is still open"
            time.sleep(0.01)


def kill_at_each_write(
    database: Database,
    begin: Callable[[], Any],
    work: Callable[[Any], object],
    after: Callable[[Any], object],
) -> int:
    """Has `work` on a new case die at its first write, then at its second, and so on until it gets through; how often.

    `after` is called when the process has started again: it does what the world does then, and looks.
    """
    for step in range(STEPS_MAX):
        case = begin()
        try:
            with killed_at(database, step):
                work(case)
        except KilledHere:
            after(case)
        else:
            after(case)
            return step
    raise AssertionError("it never gets through")
