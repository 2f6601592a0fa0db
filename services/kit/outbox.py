"""The transactional outbox: events leave a service only through a table that is written with the change they tell of.

A relay publishes the rows in the order of their ids. It asks for rows that are not published, never for ids above the
last one it saw: ids are given out before commit and may appear out of order. One relay per service works at a time, so
that the order of the events of one key is kept.
"""

import fcntl
import logging
import threading
from datetime import timedelta
from typing import IO, Protocol

from prometheus_client import Counter, Gauge
from sqlalchemy import Connection, delete, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from services.kit.database import Database, ReadSession, WriteSession
from services.kit.events.codec import OutgoingEvent, Record, encode
from services.kit.events.producer import EventProducer
from services.kit.tables import OUTBOX

log = logging.getLogger(__name__)

PUBLISHED = Counter("outbox_published_total", "Events handed to the broker.", ["topic"])
BACKLOG_AGE = Gauge("outbox_oldest_unpublished_seconds", "Age of the oldest event that is not published yet.")


def add(session: WriteSession, event: OutgoingEvent) -> str:
    """Puts the event into the outbox as part of the session's transaction; returns the event's id.

    Raises ValueError for an event that breaks its topic's contract.
    """
    record = encode(event)
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
    return dict(record.headers)["ce_id"].decode()


class RelayLock(Protocol):
    """Held by the one relay of a service that may publish; given up when its process dies, however it dies."""

    def acquire(self) -> bool:
        """True if this process holds the lock now. Does not wait."""

    def release(self) -> None:
        """Gives the lock up; harmless without it."""


class FileRelayLock:
    """For SQLite, whose processes share one machine: a lock on a file beside the database."""

    def __init__(self, database: Database) -> None:
        assert database.file is not None  # noqa: S101 - SQLite databases are files here
        self._path = database.file.with_suffix(".relay")
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
    """For PostgreSQL: an advisory lock of a connection that is kept for it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._name = {"name": f"outbox:{database.service}"}
        self._connection: Connection | None = None

    def acquire(self) -> bool:
        if self._connection is not None:
            try:
                self._connection.execute(text("SELECT 1"))
            except SQLAlchemyError:
                self.release()
            else:
                return True
        connection = self._database.write_engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        lock = text("SELECT pg_try_advisory_lock(hashtext(:name))")
        if not connection.execute(lock, self._name).scalar_one():
            connection.close()
            return False
        self._connection = connection
        return True

    def release(self) -> None:
        if self._connection is None:
            return
        with self._connection as connection:
            self._connection = None
            try:
                connection.execute(text("SELECT pg_advisory_unlock(hashtext(:name))"), self._name)
            except SQLAlchemyError:
                # The lock belongs to the server's session: one that may still hold it must not go back into the pool.
                connection.invalidate()


class OutboxRelay:
    """Publishes the outbox of one service; a background task.

    A commit in this process wakes it at once; rows that another process left behind are found every `poll_seconds`.
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
                try:
                    progressed = self._lock.acquire() and self.publish_batch() > 0
                except SQLAlchemyError as error:
                    log.warning("the outbox cannot be read: %s", error)
                    progressed = False
                if not progressed:
                    ready.wait(self._poll_seconds)
        finally:
            self._lock.release()
            self._producer.close()

    def publish_batch(self) -> int:
        """Publishes the oldest unpublished events; returns how many the broker took."""
        with self._database.read() as session:
            rows = session.execute(
                select(OUTBOX).where(OUTBOX.c.published_at.is_(None)).order_by(OUTBOX.c.id).limit(self._batch_size)
            ).all()
            now = session.now() if rows else None
        if now is None:
            BACKLOG_AGE.set(0)
            return 0
        BACKLOG_AGE.set((now - rows[0].created_at).total_seconds())
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
        if len(published) < len(rows):
            problem = next(failure for failure in failures if failure is not None)
            log.warning("%d of %d events could not be published: %s", len(rows) - len(published), len(rows), problem)
        return len(published)


def backed_up(session: ReadSession, longer_than: timedelta) -> bool:
    """Whether an event has been waiting in the outbox for longer than this: the event log does not take any."""
    oldest = session.scalar(
        select(OUTBOX.c.created_at).where(OUTBOX.c.published_at.is_(None)).order_by(OUTBOX.c.id).limit(1)
    )
    return oldest is not None and oldest < session.now() - longer_than


def purge_published(session: WriteSession, older_than: timedelta) -> None:
    """Deletes events that were published longer ago than this."""
    session.execute(delete(OUTBOX).where(OUTBOX.c.published_at < session.now() - older_than))
