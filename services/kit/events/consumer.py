"""Records out of Kafka into handlers.

One thread polls and never waits for work; one handles, record by record. Between them is a bounded backlog: a partition
is paused only while it is full, so a record that arrives is handled at once and an idle consumer sleeps in the brokers'
long poll. Offsets are committed after their records are done. The thread that called `run` watches both.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from google.protobuf.message import Message
from kafka.errors import KafkaError
from prometheus_client import Counter

from services.kit.events.backlog import Backlog, Work
from services.kit.events.codec import Event, decode
from services.kit.events.connection import BrokerUnavailable
from services.kit.events.dead_letters import dead_letter
from services.kit.events.outcomes import InvalidMessage, RetryLater
from services.kit.events.pace import Pace
from services.kit.events.producer import EventProducer
from services.kit.events.reader import Reader, TopicsLost, Unreadable
from services.kit.events.topics import Topic, type_of
from services.kit.telemetry import span

log = logging.getLogger(__name__)

Handler = Callable[[Event], None]

HANDLED = Counter("events_handled_total", "Records read from the event log.", ["consumer", "topic", "outcome"])

IDLE_POLL_SECONDS = 1.0
BUSY_POLL_SECONDS = 0.05
WATCH_SECONDS = 1.0
RECONNECT_SECONDS = 0.25
DEAD_LETTER_RETRY_SECONDS = 1.0


class TooManyDeadLetters(Exception):
    """So many records in a row could not be handled that the fault is rather here than in them."""


class Stalled(Exception):
    """A thread of the consumer made no progress for too long."""


class Consumer:
    """Reads `topics` and gives each event to the handler of its type; a background task.

    With a `group`, its members share the partitions and progress is committed: every event is handled at least once.
    `sole` says that the group never has a second member at a time; partitions are then taken at once, without the
    seconds that joining costs. Without a group (`group=None`) the consumer reads all partitions, or those of
    `assignments`, from the end, and commits nothing: for news that concern only those who are there to hear them. Old
    records may come all the same; and after the brokers lost their data, everything comes that is there.

    `handlers` is keyed by message class, or by type name for JSON events; types without a handler are skipped. A
    handler returns, or raises `InvalidMessage` (to the dead letters) or `RetryLater` (later, others go on). What else
    it raises ends `run`, and with it the process. Handlers run one at a time.

    `run` also ends with TooManyDeadLetters after `dead_letter_limit` in a row, and with Stalled when one handler takes
    longer than `handler_limit_seconds`. Brokers that are away are waited for. A member of a group that vanished is
    missed after `session_seconds`.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        name: str,
        group: str | None,
        topics: Sequence[Topic],
        handlers: Mapping[type[Message] | str, Handler],
        sole: bool = False,
        assignments: Mapping[Topic, Sequence[int]] | None = None,
        dead_letter_limit: int = 20,
        handler_limit_seconds: float = 300.0,
        poll_limit_seconds: float = 60.0,
        session_seconds: float = 10.0,
        grace_seconds: float = 10.0,
    ) -> None:
        self.name = name
        self._handlers = {key if isinstance(key, str) else type_of(key): handle for key, handle in handlers.items()}
        for type_name in self._handlers:
            if not any(topic.message(type_name) or type_name in topic.json_types for topic in topics):
                raise ValueError(f"consumer {name}: {type_name} is on none of its topics")
        self._steady = frozenset(topic.name for topic in topics if topic.steady)
        self._backlog = Backlog()
        self._pace = Pace()
        self._reader = Reader(
            bootstrap,
            self._backlog,
            self._pace,
            name=name,
            group=group,
            sole=sole,
            topics=topics,
            assignments=assignments,
            session_seconds=session_seconds,
            poll_limit_seconds=poll_limit_seconds,
        )
        self._producer = EventProducer(bootstrap, name)
        self._dead_letter_limit = dead_letter_limit
        self._handler_limit_seconds = handler_limit_seconds
        self._poll_limit_seconds = poll_limit_seconds
        self._grace_seconds = grace_seconds
        self._dead_in_a_row = 0
        self._fault: Exception | None = None
        self._polled_at = time.monotonic()
        self._handling_since: float | None = None
        self._end_handling = threading.Event()
        self._end_polling = threading.Event()

    @property
    def is_ready(self) -> bool:
        """Whether records that are written from now on will be read: partitions and positions are known."""
        return self._reader.ready.is_set()

    def wait_until_ready(self, timeout_seconds: float) -> bool:
        """Waits for `is_ready`; False after the timeout."""
        return self._reader.ready.wait(timeout_seconds)

    def run(self, stop: threading.Event) -> None:
        """Consumes until `stop`, then finishes the record in hand, commits and leaves. Runs once."""
        poller = threading.Thread(target=self._guard, args=(self._polling,), name=f"{self.name}-poll", daemon=True)
        handler = threading.Thread(target=self._guard, args=(self._handling,), name=f"{self.name}-handle", daemon=True)
        self._polled_at = time.monotonic()
        poller.start()
        handler.start()
        try:
            while self._fault is None and not stop.wait(WATCH_SECONDS):
                self._watch()
        finally:
            self._end_handling.set()
            self._backlog.wake()
            handler.join(self._grace_seconds)
            self._end_polling.set()
            poller.join(self._grace_seconds)
            self._producer.close()
        if self._fault is not None:
            raise self._fault

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - raised again by the thread that called `run`
            self._fault = self._fault or error

    def _watch(self) -> None:
        now = time.monotonic()
        since = self._handling_since
        if since is not None and now - since > self._handler_limit_seconds:
            raise Stalled(f"consumer {self.name}: a handler has not returned for {now - since:.0f} s")
        if now - self._polled_at > self._poll_limit_seconds:
            raise Stalled(f"consumer {self.name}: has not polled for {now - self._polled_at:.0f} s")

    def _polling(self) -> None:
        while not self._end_polling.is_set():
            self._polled_at = time.monotonic()
            try:
                self._reader.open()
                while not self._end_polling.is_set():
                    self._reader.poll(BUSY_POLL_SECONDS if len(self._backlog) else IDLE_POLL_SECONDS)
                    self._polled_at = time.monotonic()
            except TopicsLost as loss:
                log.warning("%s: the topics are not those it read, starting over: %s", self.name, loss)
            except (KafkaError, OSError, BrokerUnavailable) as error:
                log.warning("%s: no connection to the event log, trying again: %s", self.name, error)
                self._end_polling.wait(RECONNECT_SECONDS)
            finally:
                self._reader.close()

    def _handling(self) -> None:
        while not self._end_handling.is_set():
            work = self._backlog.take(IDLE_POLL_SECONDS)
            if work is None:
                continue
            self._handling_since = time.monotonic()
            try:
                self._handle(work)
            finally:
                self._handling_since = None

    def _handle(self, work: Work) -> None:
        record = work.record
        try:
            if isinstance(record, Unreadable):
                raise InvalidMessage(record.reason)
            event = decode(record, self._handlers.keys())
            if event is None:
                outcome = "skipped"
            else:
                if record.topic not in self._steady:
                    self._pace.stir()
                with span(f"handle {event.type}", event.traceparent):
                    self._handlers[event.type](event)
                self._dead_in_a_row = 0
                outcome = "handled"
        except InvalidMessage as invalid:
            self._bury(work, invalid.reason)
            return
        except RetryLater as later:
            log.info("%s: %s/%d@%d waits: %s", self.name, record.topic, record.partition, record.offset, later)
            HANDLED.labels(self.name, record.topic, "retried").inc()
            self._backlog.retry(work, later.delay_seconds)
            return
        self._backlog.done(work)
        HANDLED.labels(self.name, record.topic, outcome).inc()

    def _bury(self, work: Work, reason: str) -> None:
        """Puts the record among the dead letters. It is not done before it is safely there."""
        record = work.record
        failure = self._producer.send_records([dead_letter(record, reason=reason, consumer=self.name)])[0]
        if failure is not None:
            log.warning("%s: a dead letter could not be written yet: %s", self.name, failure)
            self._backlog.retry(work, DEAD_LETTER_RETRY_SECONDS)
            return
        log.error("%s: %s/%d@%d is a dead letter: %s", self.name, record.topic, record.partition, record.offset, reason)
        self._backlog.done(work)
        HANDLED.labels(self.name, record.topic, "dead").inc()
        self._dead_in_a_row += 1
        if self._dead_in_a_row >= self._dead_letter_limit:
            raise TooManyDeadLetters(f"consumer {self.name}: {self._dead_in_a_row} dead letters in a row")
