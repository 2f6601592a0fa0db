"""The transactional outbox: events leave a service only through a table that is written with the change they tell of.

A relay publishes the rows of one key in the order of their ids, and those of many keys at a time. It asks for rows that
are not published, never for ids above the last one it saw: ids are given out before commit and may appear out of order.
One relay per service works at a time, so that the order of the events of one key is kept; any process of it may be the
one.
"""

import logging
import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from prometheus_client import Counter
from sqlalchemy import ColumnElement, Row, Table, Text, cast, delete, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from services.kit.database import Database, ReadSession, WriteSession
from services.kit.events.codec import OutgoingEvent, Record, encode
from services.kit.events.producer import EventProducer, RecordRefused
from services.kit.events.topics import TOPICS
from services.kit.leadership import BUSY_SECONDS, LeaseLost, lease_of
from services.kit.tables import OUTBOX, OUTBOX_REFUSED

log = logging.getLogger(__name__)

PUBLISHED = Counter("stemwright_outbox_published_total", "Events handed to the broker.", ["topic"])
REFUSED = Counter("stemwright_outbox_refused_total", "Events that the brokers will never take.", ["topic"])

URGENT_AT_ONCE = 100
"""Events of urgent topics that go before older ones of others: somebody's thousand songs keep no worker waiting."""
OF_A_KEY_AT_ONCE = 50
"""Events of one key in a batch. They are written one after the other, so somebody's thousand songs, which have one key,
would keep everybody else's events waiting for as long as a thousand answers of the brokers take."""
WINDOW = 20_000
"""The oldest events, among which a batch is chosen: how far a look for other keys reaches behind those of one."""


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


class OutboxRelay:
    """Publishes the outbox of one service; a background task.

    The relays of a service's processes take turns: one holds the lease for as long as it publishes, so that the events
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
        self._turn = lease_of(database, "relay")
        for topic in TOPICS:
            if topic.owner == database.service:
                REFUSED.labels(topic.name)  # from 0 on: of a counter that begins at 1 nobody sees that it grew

    def run(self, stop: threading.Event) -> None:
        """Publishes until told to stop. The broker or the database being away is waited out."""
        ready = self._database.outbox_ready
        woken = False
        try:
            while not stop.is_set():
                ready.clear()
                pause_seconds = self._poll_seconds
                try:
                    if woken or self._anything_waits():
                        if not self._turn.acquire():
                            # Whoever publishes just now may have looked before there was what woke us.
                            pause_seconds = BUSY_SECONDS
                        elif self._publish_in_turn() > 0:
                            pause_seconds = 0.0
                except LeaseLost:
                    log.warning("another process publishes the outbox since; some of its events are on the log twice")
                except SQLAlchemyError as error:
                    log.warning("the outbox cannot be read: %s", error)
                except Exception:
                    # Told, and tried again: a service that stops has nothing better to offer.
                    log.exception("a round of the outbox failed")
                finally:
                    self._turn.release()
                woken = bool(pause_seconds) and not stop.is_set() and ready.wait(pause_seconds)
        finally:
            self._producer.close()

    def wake(self) -> None:
        """Has it look now."""
        self._database.outbox_ready.set()

    def _anything_waits(self) -> bool:
        """Looked at without the lease, where nobody said so: taking it is a commit."""
        with self._database.read() as session:
            waiting = select(OUTBOX.c.id).where(OUTBOX.c.published_at.is_(None)).limit(1)
            return session.scalar(waiting) is not None

    def _publish_in_turn(self) -> int:
        # What is noted about the batch is one transaction, and the end of the turn.
        with self._database.fenced(self._turn.finish):
            return self.publish_batch()

    def publish_batch(self) -> int:
        """Publishes unpublished events, the urgent and then the oldest, of one key no more than some; returns how many
        of them are dealt with."""
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
        refused = [
            (row, failure) for row, failure in zip(rows, failures, strict=True) if isinstance(failure, RecordRefused)
        ]
        if published or refused:
            self._note(published, refused)
        left = len(rows) - len(published) - len(refused)
        if left:
            problem = next(failure for failure in failures if failure is not None)
            log.warning("%d of %d events could not be published: %s", left, len(rows), problem)
        return len(published) + len(refused)

    def _next(self, session: ReadSession) -> list[Row[Any]]:
        waiting = OUTBOX.c.published_at.is_(None)
        urgent = [topic.name for topic in TOPICS if topic.urgent and topic.owner == self._database.service]
        rows: list[Row[Any]] = []
        if urgent:
            first = select(OUTBOX).where(waiting, OUTBOX.c.topic.in_(urgent)).order_by(OUTBOX.c.id)
            rows += session.execute(first.limit(URGENT_AT_ONCE)).all()
        others = select(OUTBOX.c.id, OUTBOX.c.topic, OUTBOX.c.key).where(waiting, OUTBOX.c.topic.not_in(urgent))
        window = others.order_by(OUTBOX.c.id).limit(WINDOW).subquery()
        turn = func.row_number().over(partition_by=(window.c.topic, window.c.key), order_by=window.c.id)
        turns = select(window.c.id, turn.label("turn")).subquery()
        chosen = select(turns.c.id).where(turns.c.turn <= OF_A_KEY_AT_ONCE).order_by(turns.c.id)
        some = chosen.limit(self._batch_size - len(rows))
        rows += session.execute(select(OUTBOX).where(OUTBOX.c.id.in_(some)).order_by(OUTBOX.c.id)).all()
        return rows

    def _note(self, published: Sequence[Row[Any]], refused: Sequence[tuple[Row[Any], RecordRefused]]) -> None:
        """Notes what is on the log, and sets aside what the brokers will never take, for a person to look at."""
        with self._database.write() as session:
            now = session.now()
            mark = update(OUTBOX).where(OUTBOX.c.id.in_([row.id for row in published]))
            session.execute(mark.values(published_at=now))
            for row, failure in refused:
                kept = {name: row._mapping[name] for name in _KEPT}
                session.execute(insert(OUTBOX_REFUSED).values(**kept, refused_at=now, reason=str(failure)[:300]))
                session.execute(delete(OUTBOX).where(OUTBOX.c.id == row.id))
        for row in published:
            PUBLISHED.labels(row.topic).inc()
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
