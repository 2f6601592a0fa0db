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
from opentelemetry.trace import SpanKind
from prometheus_client import Counter

from services.kit.events.admin import NOTHING, Needs, writing_dead_letters
from services.kit.events.backlog import Backlog, Work
from services.kit.events.brokers import Brokers
from services.kit.events.codec import Event, decode, job_of
from services.kit.events.connection import BrokerUnavailable
from services.kit.events.dead_letter_limit import DeadLetterLimit
from services.kit.events.dead_letters import dead_letter
from services.kit.events.errors import InvalidMessage, RetryLater
from services.kit.events.local_broker import FetchWait
from services.kit.events.producer import EventProducer
from services.kit.events.reader import Reader, TopicsLost, Unreadable
from services.kit.events.topics import Topic, type_of
from services.kit.telemetry import span, use_ids

log = logging.getLogger(__name__)

Handler = Callable[[Event], None]

HANDLED = Counter(
    "stemwright_events_handled_total", "Records read from the event log.", ["consumer", "topic", "outcome"]
)

IDLE_POLL_SECONDS = 1.0
BUSY_POLL_SECONDS = 0.05
WATCH_SECONDS = 1.0
RECONNECT_SECONDS = 0.25
DEAD_LETTER_RETRY_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 10.0


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
    handler returns, or raises `InvalidMessage` (to the dead letters) or `RetryLater` (later, others go on). Where it
    raises anything else it is tried again, `tries` times in all, after pauses that double from `pause_seconds`; then
    the record is a dead letter too. Handlers run one at a time.

    Malformed records become dead letters as they come. Of those that a handler refused or failed at, of each topic,
    `dead_letter_burst` do at once, later ones one every `dead_letter_interval_seconds` (see `DeadLetterLimit`).
    Before it reads it makes sure of its topics and its rights to them, and of what the service `writes` besides.

    No record ends `run`. It ends with Stalled when a handler takes longer than `handler_limit_seconds`, and the record
    in its hands is then a dead letter, so that the next process does not meet it again. Brokers that are away are
    waited for. A member of a group that vanished is missed after `session_seconds`.
    """

    def __init__(
        self,
        brokers: Brokers,
        *,
        name: str,
        group: str | None,
        topics: Sequence[Topic],
        handlers: Mapping[type[Message] | str, Handler],
        sole: bool = False,
        assignments: Mapping[Topic, Sequence[int]] | None = None,
        writes: Needs = NOTHING,
        tries: int = 6,
        pause_seconds: float = 0.1,
        dead_letter_burst: int = 100,
        dead_letter_interval_seconds: float = 1.0,
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
        for topic in topics:
            for outcome in ("dead", "failed"):
                HANDLED.labels(name, topic.name, outcome)  # from 0 on: an alert is about the first of them
        self._steady = frozenset(topic.name for topic in topics if topic.steady)
        self._backlog = Backlog()
        self._fetch_wait = FetchWait()
        self._reader = Reader(
            brokers,
            self._backlog,
            self._fetch_wait,
            name=name,
            group=group,
            sole=sole,
            topics=topics,
            assignments=assignments,
            writes=writes,
            session_seconds=session_seconds,
            poll_limit_seconds=poll_limit_seconds,
        )
        self._producer = EventProducer(brokers, name, writing_dead_letters(topics))
        self._tries = tries
        self._pause_seconds = pause_seconds
        self._dead_letter_limit = DeadLetterLimit(
            burst=dead_letter_burst, interval_seconds=dead_letter_interval_seconds
        )
        self._handler_limit_seconds = handler_limit_seconds
        self._poll_limit_seconds = poll_limit_seconds
        self._grace_seconds = grace_seconds
        self._fault: Exception | None = None
        self._problem = "not subscribed yet"
        self._polled_at = time.monotonic()
        self._in_hand: Work | None = None
        self._in_hand_seconds = 0.0
        """How long the handler has had it, by the watcher's steps: time in which the process slept does not count."""
        self._end_handling = threading.Event()
        self._end_polling = threading.Event()

    @property
    def is_ready(self) -> bool:
        """Whether records that are written from now on will be read: partitions and positions are known."""
        return self._reader.ready.is_set()

    @property
    def problem(self) -> str:
        """Why it is not ready, as far as that is known."""
        return self._problem

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
        since = time.monotonic() - self._polled_at
        if since > self._poll_limit_seconds:
            raise Stalled(f"consumer {self.name}: has not polled for {since:.0f} s")
        work = self._in_hand
        if work is None:
            return
        self._in_hand_seconds += WATCH_SECONDS
        if work is self._in_hand and self._in_hand_seconds > self._handler_limit_seconds:
            self._dead_letter(work, "its handler did not return")
            raise Stalled(f"consumer {self.name}: a handler has not returned for {self._in_hand_seconds:.0f} s")

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
                self._problem = str(error)
                log.warning("%s: no connection to the event log, trying again: %s", self.name, error)
                self._end_polling.wait(RECONNECT_SECONDS)
            finally:
                self._reader.close()

    def _handling(self) -> None:
        while not self._end_handling.is_set():
            work = self._backlog.take(IDLE_POLL_SECONDS)
            if work is None:
                continue
            self._in_hand_seconds = 0.0
            self._in_hand = work
            try:
                self._handle(work)
            finally:
                self._in_hand = None

    def _handle(self, work: Work) -> None:
        record = work.record
        event: Event | None = None
        try:
            try:
                if isinstance(record, Unreadable):
                    raise InvalidMessage(record.reason)
                event = decode(record, self._handlers.keys())
            except InvalidMessage as malformed:
                # Its writer's fault: no deploy of ours makes good records malformed, for we write by the same rules.
                self._dead_letter(work, malformed.reason)
                return
            if event is None:
                outcome = "skipped"
            else:
                if record.topic not in self._steady:
                    self._fetch_wait.record_came()
                ids = use_ids(account_id=event.account_id, job_id=job_of(event))
                with span(f"handle {event.type}", event.traceparent, SpanKind.CONSUMER), ids:
                    self._handlers[event.type](event)
                outcome = "handled"
        except InvalidMessage as invalid:
            self._give_up(work, invalid.reason)
            return
        except RetryLater as later:
            log.info("%s: %s/%d@%d waits: %s", self.name, record.topic, record.partition, record.offset, later)
            HANDLED.labels(self.name, record.topic, "retried").inc()
            self._backlog.retry(work, later.delay_seconds)
            return
        except Exception as error:  # noqa: BLE001 - no record ends the process
            self._try_again(work, error)
            return
        self._backlog.done(work)
        HANDLED.labels(self.name, record.topic, outcome).inc()

    def _try_again(self, work: Work, error: Exception) -> None:
        """After an error that nobody foresaw: it may pass, and if it does not the record must not be in the way."""
        record = work.record
        work.failed += 1
        if work.failed >= self._tries:
            # Its words may repeat what the record holds, and a database's answer what its rows hold.
            self._give_up(work, f"its handler failed {work.failed} times: {type(error).__name__}")
            return
        where = (self.name, record.topic, record.partition, record.offset)
        log.error("%s: the handler of %s/%d@%d failed", *where, exc_info=error)
        HANDLED.labels(self.name, record.topic, "failed").inc()
        self._backlog.retry(work, min(self._pause_seconds * 2 ** (work.failed - 1), LONGEST_PAUSE_SECONDS))

    def _give_up(self, work: Work, reason: str) -> None:
        """Puts the record among the dead letters, unless there have been too many of its topic lately."""
        wait_seconds = self._dead_letter_limit.wait_seconds(work.record.topic)
        if wait_seconds:
            log.critical("%s: %s has many dead letters: the next waits", self.name, work.record.topic)
            HANDLED.labels(self.name, work.record.topic, "held").inc()
            self._backlog.retry(work, wait_seconds)
            return
        self._dead_letter_limit.count(work.record.topic)
        self._dead_letter(work, reason)

    def _dead_letter(self, work: Work, reason: str) -> None:
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
