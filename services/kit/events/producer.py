"""Records into Kafka: in order per key, each with its outcome, within a bounded time."""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from kafka import KafkaProducer, errors
from kafka.errors import KafkaError, KafkaTimeoutError

from services.kit.events import kafka_python
from services.kit.events.admin import EVERY_TOPIC, Needs, ensure_topics
from services.kit.events.brokers import Brokers
from services.kit.events.codec import OutgoingEvent, Record, encode
from services.kit.events.connection import BrokerUnavailable, connect

log = logging.getLogger(__name__)

POSTED_AT_MOST = 256
START_SECONDS = 2.0
"""How long a record waits for the metadata of its topic."""
DELIVERY_SECONDS = 4.5
"""How long a record is tried to be written: longer than the client waits for an answer."""

_REFUSALS = (
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
    errors.InvalidRecordError,
    errors.InvalidTimestampError,
)
"""What the client or the brokers say of a record that they would never take, however often it came. No more than that:
what the client says of an unknown partition, say, passes with its metadata."""


class RecordRefused(Exception):
    """This record will never be taken; the others are not to blame."""


class EventProducer:
    """Writes records of one service. For use by any number of threads; connects when it is first used.

    Each connection begins with making sure of the topics that it `needs`, and of its rights to them.

    A producer that failed once is closed and made anew, whatever the failure was: after the broker lost its state an
    idempotent producer is unknown to it for ever.
    """

    def __init__(
        self,
        brokers: Brokers,
        source: str,
        needs: Needs = EVERY_TOPIC,
        *,
        timeout_seconds: float = 5.0,
    ) -> None:
        self._brokers = brokers
        self._needs = needs
        self._source = source
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._client: Any | None = None
        self._posted: deque[Record] = deque(maxlen=POSTED_AT_MOST)
        self._posting = threading.Condition()
        self._poster: threading.Thread | None = None
        self._closed = False

    def send(self, event: OutgoingEvent, *, timeout_seconds: float | None = None) -> None:
        """Writes one event and waits until the brokers have it. After BrokerUnavailable it may be there or not."""
        failure = self.send_records([encode(event, source=self._source)], timeout_seconds)[0]
        if failure is not None:
            raise BrokerUnavailable(f"the event was not taken: {failure}") from failure

    def post(self, event: OutgoingEvent) -> None:
        """Writes one event when there is time: returns at once, and the oldest posts are lost while the broker is away.

        For news that the next news replaces, such as progress.
        """
        record = encode(event, source=self._source)
        with self._posting:
            if self._poster is None:
                self._poster = threading.Thread(target=self._post, name="event-poster", daemon=True)
                self._poster.start()
            self._posted.append(record)
            self._posting.notify()

    def send_records(self, records: Sequence[Record], timeout_seconds: float | None = None) -> list[Exception | None]:
        """Writes records and returns, for each, None once the brokers have it or what went wrong.

        Records of one key are written one after the other, and none after one that failed: sent again in the same
        order, they cannot overtake each other. RecordRefused says that the record itself is at fault; records of other
        keys are written all the same. Takes little more than `timeout_seconds` at most.
        """
        timeout = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        deadline = time.monotonic() + timeout
        outcomes: list[Exception | None] = [BrokerUnavailable("not tried: an earlier record failed")] * len(records)
        waiting: dict[tuple[str, bytes], deque[int]] = {}
        for index, record in enumerate(records):
            waiting.setdefault((record.topic, record.key), deque()).append(index)
        while waiting and (client := self._connect(outcomes, waiting)) is not None:
            heads = {key: indices.popleft() for key, indices in waiting.items()}
            futures = {index: self._start(client, records[index]) for index in heads.values()}
            for key, index in heads.items():
                outcomes[index] = _outcome(futures[index], deadline)
                if outcomes[index] is not None or not waiting[key]:
                    waiting.pop(key)
            failures = [outcomes[index] for index in heads.values() if outcomes[index] is not None]
            if failures:
                self._discard(client)
            if not all(isinstance(failure, RecordRefused) for failure in failures):
                break
        return outcomes

    def close(self) -> None:
        """Ends the connection. What was posted and not sent is lost. The producer must not be used again."""
        self._closed = True
        with self._posting:
            self._posting.notify()
        with self._lock:
            client, self._client = self._client, None
        if client is not None and not _close(client, timeout_seconds=1.0):
            _abandon(client)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connect(self, outcomes: list[Exception | None], waiting: dict[tuple[str, bytes], deque[int]]) -> Any | None:
        try:
            with self._lock:
                if self._client is None:
                    ensure_topics(self._brokers, self._needs, timeout_seconds=0)
                    self._client = connect(
                        KafkaProducer,
                        self._brokers,
                        self._source,
                        acks="all",
                        enable_idempotence=True,
                        linger_ms=0,
                        max_block_ms=int(START_SECONDS * 1000),
                        delivery_timeout_ms=int(DELIVERY_SECONDS * 1000),
                        allow_auto_create_topics=False,
                        metrics_enabled=False,
                    )
                return self._client
        except (KafkaError, OSError, BrokerUnavailable) as error:
            for indices in waiting.values():
                for index in indices:
                    outcomes[index] = error
            return None

    def _start(self, client: Any, record: Record) -> Any:
        try:
            return client.send(
                self._brokers.named(record.topic),
                value=record.value,
                key=record.key,
                headers=record.headers,
                partition=record.partition,
            )
        except KafkaTimeoutError as error:
            return BrokerUnavailable(f"{self._brokers.named(record.topic)} is not there, or nobody leads it: {error}")
        except (KafkaError, AssertionError, TypeError, ValueError) as error:
            return error

    def _discard(self, client: Any) -> None:
        with self._lock:
            if self._client is client:
                self._client = None
        _abandon(client)

    def _post(self) -> None:
        while not self._closed:
            with self._posting:
                while not self._posted and not self._closed:
                    self._posting.wait()
                records = [self._posted.popleft() for _ in range(len(self._posted))]
            failures = self.send_records(records)
            lost = sum(failure is not None for failure in failures)
            if lost:
                log.info("%d events that were only posted are lost", lost)


def _outcome(future: Any, deadline: float) -> Exception | None:
    try:
        if isinstance(future, Exception):
            raise future
        future.get(timeout=max(0.0, deadline - time.monotonic()))
    except _REFUSALS as error:
        return RecordRefused(f"{type(error).__name__}: {error}")
    except (KafkaError, OSError, BrokerUnavailable) as error:
        return error
    return None


def _abandon(client: Any) -> None:
    """Closes a client that failed, without sending what it still holds. Does not wait for it."""
    kafka_python.drop_pending(client)
    threading.Thread(target=_close, args=(client, 10.0), name="abandoned-producer", daemon=True).start()


def _close(client: Any, timeout_seconds: float) -> bool:
    try:
        client.close(timeout=timeout_seconds)
    except KafkaError as error:
        log.debug("a producer was not closed in time: %s", error)
        return False
    return True
