"""The transactional outbox: events leave a service only through a table that is written with the change they tell of.

A relay publishes the rows in the order of their ids. It asks for rows that are not published, never for ids above the
last one it saw: ids are given out before commit and may appear out of order. One relay per service works at a time, so
that the order of the events of one key is kept; any process of it may be the one.
"""

import fcntl
import logging
import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import IO, Any, Protocol

from prometheus_client import Counter
from sqlalchemy import ColumnElement, Connection, Row, Table, Text, cast, delete, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from services.kit.database import Database, ReadSession, WriteSession
from services.kit.events.codec import OutgoingEvent, Record, encode
from services.kit.events.producer import EventProducer, RecordRefused
from services.kit.events.topics import TOPICS
from services.kit.tables import OUTBOX, OUTBOX_REFUSED

log = logging.getLogger(__name__)

PUBLISHED = Counter("stemwright_outbox_published_total", "Events handed to the broker.", ["topic"])
REFUSED = Counter("stemwright_outbox_refused_total", "Events that the brokers will never take.", ["topic"])

BUSY_SECONDS = 0.02
"""How soon a relay tries again that found another one publishing."""
LOST_SECONDS = 10
"""Longer than a producer tries to send a batch."""
URGENT_AT_ONCE = 100
"""Events of urgent topics that go before older ones of others: somebody's thousand songs keep no worker waiting."""


def add(session: WriteSession, event: OutgoingEvent) -> str:
    """Puts the event into the outbox as part of the session's transaction; returns the event's id.

    Raises ValueError for an event that breaks its topic's contract.
    """
    record = encode(event, source=session.database.service)
    add_record(session, record)
    return dict(record.headers)["ce_id"].decode()


def add_record(session: WriteSession, record: Record) -> None:
    """The same with a record that is there already, which nobody looks at once more."""
    session.execute(
        insert(OUTBOX).values(
            topic=record.topic,
            partition=record.partition,
            key=record.key,
            value=record.value,
            headers=[[name, value.decode()] for name, value in record.headers],
            created_at=session.now(),
        )
    )
    session.after_commit(session.database.outbox_ready.set)


class RelayLock(Protocol):
    """Held by the one relay of a service that publishes; given up when its process dies, however it dies."""

    def acquire(self) -> bool:
        """True if this process holds the lock now. Does not wait."""

    def release(self) -> None:
        """Gives the lock up; harmless without it."""


class FileRelayLock:
    """For SQLite, whose processes share one machine: a lock on a file beside the database."""

    def __init__(self, database: Database, name: str = "relay") -> None:
        assert database.file is not None  # noqa: S101 - SQLite databases are files here
        self._path = database.file.with_suffix(f".{name}")
        self._file: IO[bytes] | None = None

    def acquire(self) -> bool:
        if self._file is not None:
            return True
        file = self._path.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._file = file
        return True

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class PostgresRelayLock:
    """For PostgreSQL: an advisory lock of a transaction that stays open for it, and of a connection with it.

    A lock of the session would do as well, but not behind a pooler that lends its connections by the transaction. Such
    a transaction has read nothing, so it keeps no vacuum from its work. From a process that is lost or stopped while it
    publishes the server takes the lock after `LOST_SECONDS`.
    """

    def __init__(self, database: Database, name: str = "outbox") -> None:
        self._database = database
        self._name = {"name": f"{name}:{database.service}"}
        self._connection: Connection | None = None

    def acquire(self) -> bool:
        if self._connection is not None:
            return True
        connection = self._database.write_engine.connect()
        try:
            connection.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = '{LOST_SECONDS}s'"))
            held = connection.execute(
                text("SELECT pg_try_advisory_xact_lock(hashtext(:name))"), self._name
            ).scalar_one()
        except BaseException:
            connection.close()
            raise
        if not held:
            connection.close()
            return False
        self._connection = connection
        return True

    def release(self) -> None:
        if self._connection is None:
            return
        connection, self._connection = self._connection, None
        try:
            connection.rollback()
        except SQLAlchemyError:
            # The lock belongs to the server's side: a connection that may still hold it must not go back into the pool.
            connection.invalidate()
        finally:
            connection.close()


def lock_of(database: Database, name: str) -> RelayLock:
    """A lock like that of the relays, for other work that one process of a service does at a time."""
    return FileRelayLock(database, name) if database.is_sqlite else PostgresRelayLock(database, name)


class OutboxRelay:
    """Publishes the outbox of one service; a background task.

    The relays of a service's processes take turns: one holds the lock for as long as it publishes, so that the events
    of one key keep their order, and gives it up at once. So a commit wakes the relay of its own process, whichever that
    is, and nobody waits for another's; rows that a process left behind when it ended are found every `poll_seconds`.
    """

    name = "outbox-relay"

    def __init__(
        self, database: Database, producer: EventProducer, *, poll_seconds: float = 2.0, batch_size: int = 500
    ) -> None:
        self._database = database
        self._producer = producer
        self._poll_seconds = poll_seconds
        self._batch_size = batch_size
        self._lock: RelayLock = FileRelayLock(database) if database.is_sqlite else PostgresRelayLock(database)

    def run(self, stop: threading.Event) -> None:
        """Publishes until told to stop. The broker or the database being away is waited out."""
        ready = self._database.outbox_ready
        try:
            while not stop.is_set():
                ready.clear()
                pause_seconds = self._poll_seconds
                try:
                    if not self._lock.acquire():
                        # Whoever publishes just now may have looked before there was what woke us.
                        pause_seconds = BUSY_SECONDS
                    elif self.publish_batch() > 0:
                        pause_seconds = 0.0
                except SQLAlchemyError as error:
                    log.warning("the outbox cannot be read: %s", error)
                except Exception:
                    # Told, and tried again: a service that stops has nothing better to offer.
                    log.exception("a round of the outbox failed")
                finally:
                    self._lock.release()
                if pause_seconds and not stop.is_set():
                    ready.wait(pause_seconds)
        finally:
            self._lock.release()
            self._producer.close()

    def wake(self) -> None:
        """Has it look now."""
        self._database.outbox_ready.set()

    def publish_batch(self) -> int:
        """Publishes unpublished events, the urgent and then the oldest; returns how many of them are dealt with."""
        with self._database.read() as session:
            rows = self._next(session)
        if not rows:
            return 0
        records = [
            Record(
                topic=row.topic,
                key=row.key,
                value=row.value,
                headers=[(name, value.encode()) for name, value in row.headers],
                partition=row.partition,
            )
            for row in rows
        ]
        failures = self._producer.send_records(records)
        published = [row for row, failure in zip(rows, failures, strict=True) if failure is None]
        if published:
            with self._database.write() as session:
                session.execute(
                    update(OUTBOX)
                    .where(OUTBOX.c.id.in_([row.id for row in published]))
                    .values(published_at=session.now())
                )
            for row in published:
                PUBLISHED.labels(row.topic).inc()
        refused = [
            (row, failure) for row, failure in zip(rows, failures, strict=True) if isinstance(failure, RecordRefused)
        ]
        if refused:
            self._set_aside(refused)
        left = len(rows) - len(published) - len(refused)
        if left:
            problem = next(failure for failure in failures if failure is not None)
            log.warning("%d of %d events could not be published: %s", left, len(rows), problem)
        return len(published) + len(refused)

    def _next(self, session: ReadSession) -> list[Row[Any]]:
        waiting = select(OUTBOX).where(OUTBOX.c.published_at.is_(None)).order_by(OUTBOX.c.id)
        urgent = [topic.name for topic in TOPICS if topic.urgent and topic.owner == self._database.service]
        rows: list[Row[Any]] = []
        if urgent:
            rows += session.execute(waiting.where(OUTBOX.c.topic.in_(urgent)).limit(URGENT_AT_ONCE)).all()
        rows += session.execute(waiting.where(OUTBOX.c.topic.not_in(urgent)).limit(self._batch_size - len(rows))).all()
        return rows

    def _set_aside(self, refused: Sequence[tuple[Row[Any], RecordRefused]]) -> None:
        """Takes events out of the way that the brokers will never take; they stay for a person to look at."""
        with self._database.write() as session:
            for row, failure in refused:
                kept = {name: row._mapping[name] for name in _KEPT}
                session.execute(
                    insert(OUTBOX_REFUSED).values(**kept, refused_at=session.now(), reason=str(failure)[:300])
                )
                session.execute(delete(OUTBOX).where(OUTBOX.c.id == row.id))
        for row, failure in refused:
            REFUSED.labels(row.topic).inc()
            log.error("event %d for %s is set aside: %s", row.id, row.topic, failure)


_KEPT = ("topic", "partition", "key", "value", "headers", "created_at")


def backed_up(session: ReadSession, longer_than: timedelta) -> bool:
    """Whether an event has been waiting in the outbox for longer than this: the event log does not take any."""
    oldest = session.scalar(
        select(OUTBOX.c.created_at).where(OUTBOX.c.published_at.is_(None)).order_by(OUTBOX.c.id).limit(1)
    )
    return oldest is not None and oldest < session.now() - longer_than


def forget(session: WriteSession, account_id: str) -> bool:
    """Deletes the published and the refused events about an account; whether none of it waits to be published."""
    for table in (OUTBOX, OUTBOX_REFUSED):
        published = () if table is OUTBOX_REFUSED else (OUTBOX.c.published_at.is_not(None),)
        session.execute(delete(table).where(_about(table, account_id), *published))
    waiting = select(OUTBOX.c.id).where(OUTBOX.c.published_at.is_(None), _about(OUTBOX, account_id)).limit(1)
    return session.scalar(waiting) is None


def _about(table: Table, account_id: str) -> ColumnElement[bool]:
    """Events whose headers name the account; every event about one does."""
    return cast(table.c.headers, Text).contains(account_id, autoescape=True)


def purge_published(session: WriteSession, older_than: timedelta) -> None:
    """Deletes events that were published longer ago than this."""
    session.execute(delete(OUTBOX).where(OUTBOX.c.published_at < session.now() - older_than))


def purge_refused(session: WriteSession, older_than: timedelta) -> None:
    """Deletes events that were refused longer ago than this."""
    session.execute(delete(OUTBOX_REFUSED).where(OUTBOX_REFUSED.c.refused_at < session.now() - older_than))
