"""Consumers that run beside a test, and what they saw."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from services.kit.events.brokers import Brokers
from services.kit.events.codec import Event, OutgoingEvent, Record
from services.kit.events.connection import connect
from services.kit.events.consumer import Consumer
from services.kit.events.topics import PROGRESS, Topic, dead_letters
from services.kit.protos import separation_pb2, uploads_pb2
from tests.broker import PATIENCE_SECONDS, Broker
from tests.ids import numbered


def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Waits for a condition; fails with `what` was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.005)


def progress(job: str, fraction: float = 0.5) -> OutgoingEvent:
    """An event that any number of can be made of: progress of a job."""
    return OutgoingEvent(
        PROGRESS,
        job,
        separation_pb2.SeparationProgress(job_id=job, worker_id=numbered("wrk", 1), attempt=1, fraction=fraction),
    )


class Running:
    """Runs a consumer's `run` in a thread; `fault` is what ended it."""

    def __init__(self, consumer: Consumer, *, ready: bool = True) -> None:
        self.consumer = consumer
        self.fault: BaseException | None = None
        self.stop = threading.Event()
        self._await_ready = ready
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.consumer.run(self.stop)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.fault = error

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def end(self) -> None:
        """Stops it gracefully and waits."""
        self.stop.set()
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive(), "the consumer did not stop"

    def __enter__(self) -> Self:
        self._thread.start()
        if self._await_ready:
            assert self.consumer.wait_until_ready(PATIENCE_SECONDS), f"not ready: {self.fault!r}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


class Seen:
    """A handler that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def keys(self) -> list[str]:
        return [event.key for event in self.events]


def write_raw(brokers: Brokers, *records: Record) -> None:
    """Writes records as they are, past every check, and returns when the broker has them all."""
    producer = connect(KafkaProducer, brokers, "tests", metrics_enabled=False)
    try:
        sent = [
            producer.send(
                brokers.named(record.topic),
                value=record.value,
                key=record.key,
                headers=record.headers,
                partition=record.partition,
            )
            for record in records
        ]
        for one in sent:
            one.get(PATIENCE_SECONDS)
    finally:
        producer.close(timeout=5)


def read_dead_letters(brokers: Brokers, topic: Topic, count: int) -> list[Any]:
    """The first `count` dead letters of a topic, as raw records; fails where there are fewer."""
    name = brokers.named(dead_letters(topic))
    consumer = connect(
        KafkaConsumer, brokers, "tests", auto_offset_reset="earliest", enable_auto_commit=False, metrics_enabled=False
    )
    letters: list[Any] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        consumer.assign([TopicPartition(name, number) for number in sorted(consumer.partitions_for_topic(name))])
        while len(letters) < count:
            assert time.monotonic() < deadline, f"{len(letters)} dead letters instead of {count}"
            for records in consumer.poll(timeout_ms=200).values():
                letters.extend(records)
    finally:
        consumer.close()
    return letters


def headers_of(record: Any) -> dict[str, str]:
    """Headers of a raw record as text."""
    return {name: value.decode() for name, value in record.headers}


def progress_consumer(broker: Broker, handle: Callable[[Event], None], **options: Any) -> Consumer:
    return Consumer(
        broker.brokers,
        **{
            "name": "tests",
            "topics": [PROGRESS],
            "handlers": {separation_pb2.SeparationProgress: handle},
            **options,
        },
    )


def has(seen: Seen, count: int) -> bool:
    return len(seen.events) == count


def jobs(count: int) -> list[str]:
    return [numbered("job", number) for number in range(count)]


def created(number: int) -> uploads_pb2.UploadCreated:
    return uploads_pb2.UploadCreated(upload_id=numbered("upl", number), account_id=numbered("usr"))
