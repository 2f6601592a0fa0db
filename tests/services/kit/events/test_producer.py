"""What the producer promises, on the real broker."""

from collections.abc import Iterator
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from services.kit.events.codec import OutgoingEvent, Record, encode
from services.kit.events.connection import BrokerUnavailable, connect
from services.kit.events.consumer import Consumer
from services.kit.events.producer import EventProducer, RecordRefused
from services.kit.events.topics import ASSIGNMENTS, PROGRESS
from services.kit.protos import separation_pb2
from tests.broker import PATIENCE_SECONDS, Broker, running_broker
from tests.ids import numbered
from tests.messages import sample
from tests.services.kit.events.consuming import Running, Seen, progress, until

pytestmark = pytest.mark.kafka


@pytest.fixture
def producer(broker: Broker, patient_clients: None) -> Iterator[EventProducer]:
    with EventProducer(broker.brokers, "tests", timeout_seconds=PATIENCE_SECONDS) as made:
        yield made


def read(broker: Broker, topic: str, count: int) -> list[Any]:
    """The first `count` records of a topic, in order within each partition."""
    consumer = connect(
        KafkaConsumer,
        broker.brokers,
        "tests",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=50,
        metrics_enabled=False,
    )
    records: list[Any] = []

    def enough() -> bool:
        for arrived in consumer.poll(timeout_ms=100).values():
            records.extend(arrived)
        return len(records) >= count

    try:
        consumer.assign([TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))])
        until(enough, f"{count} records")
    finally:
        consumer.close()
    return records


def test_a_batch_keeps_the_order_of_each_key(broker: Broker, producer: EventProducer) -> None:
    records = [encode(progress(numbered("job", number % 7), number / 100)) for number in range(70)]
    assert producer.send_records(records) == [None] * 70

    written = read(broker, PROGRESS.name, 70)
    for job in range(7):
        values = [
            separation_pb2.SeparationProgress.FromString(record.value).fraction
            for record in written
            if record.key == numbered("job", job).encode()
        ]
        assert values == [number / 100 for number in range(70) if number % 7 == job]


def test_a_record_goes_to_the_partition_it_names(broker: Broker, producer: EventProducer) -> None:
    assigned = sample(separation_pb2.SeparationAssigned)
    producer.send(OutgoingEvent(ASSIGNMENTS, numbered("wrk", 1), assigned, partition=3))

    assert read(broker, ASSIGNMENTS.name, 1)[0].partition == 3


def test_after_a_failure_no_later_record_of_its_key_is_written(broker: Broker, producer: EventProducer) -> None:
    """Sent again in the same order, they cannot overtake it."""
    first, third = encode(progress(numbered("job", 1), 0.1)), encode(progress(numbered("job", 1), 0.3))
    refused = Record(first.topic, first.key, b"x" * 2_000_000, first.headers)
    other = encode(progress(numbered("job", 2), 0.1))
    outcomes = producer.send_records([first, other, refused, third])

    assert outcomes[0] is None
    assert outcomes[1] is None
    assert outcomes[2] is not None
    assert outcomes[3] is not None
    assert producer.send_records([third]) == [None]
    written = [record for record in read(broker, PROGRESS.name, 3) if record.key == numbered("job", 1).encode()]
    assert [record.value for record in written] == [first.value, third.value]


def test_a_record_that_is_refused_does_not_hold_up_other_keys(broker: Broker, producer: EventProducer) -> None:
    records = [encode(progress(numbered("job", number % 50), number / 100)) for number in range(100)]
    records[0] = Record(records[0].topic, records[0].key, b"x" * 2_000_000, records[0].headers)
    outcomes = producer.send_records(records)

    assert isinstance(outcomes[0], RecordRefused)
    assert [index for index, outcome in enumerate(outcomes) if outcome is not None] == [0, 50]
    assert len(read(broker, PROGRESS.name, 98)) == 98


def test_without_a_broker_every_record_fails() -> None:
    with running_broker() as broker, EventProducer(broker.brokers, "tests") as producer:
        broker.kill()
        outcomes = producer.send_records([encode(progress(numbered("job", number))) for number in range(500)])
        assert all(outcome is not None for outcome in outcomes)
        with pytest.raises(BrokerUnavailable):
            producer.send(progress(numbered("job", 1)))


def test_a_broker_that_hangs_costs_the_timeout_and_no_more(broker: Broker) -> None:
    with EventProducer(broker.brokers, "tests") as producer:
        until(lambda: producer.send_records([encode(progress(numbered("job", 1)))]) == [None], "the broker to answer")
        with broker.hanging():
            # Returns at all: nothing else ends the wait while the broker stands still.
            outcomes = producer.send_records([encode(progress(numbered("job", 2)))], timeout_seconds=0.5)
            assert outcomes[0] is not None
        until(lambda: producer.send_records([encode(progress(numbered("job", 2)))]) == [None], "the broker to answer")


def test_what_is_posted_arrives(broker: Broker, producer: EventProducer) -> None:
    producer.post(progress(numbered("job", 1)))

    assert read(broker, PROGRESS.name, 1)[0].key == numbered("job", 1).encode()


def test_posting_without_a_broker_never_blocks_and_holds_little() -> None:
    with running_broker() as broker, EventProducer(broker.brokers, "tests") as producer:
        broker.kill()
        for number in range(2000):
            # Each that waited would wait for two seconds, and no test takes an hour.
            producer.post(progress(numbered("job", number)))
        broker.start()
        seen, late = Seen(), numbered("job", 5000)

        def arrives() -> bool:
            # Each may be lost while the broker is hard to reach; one of them is not.
            producer.post(progress(late))
            return late in seen.keys

        consumer = Consumer(
            broker.brokers,
            name="tests",
            group=None,
            topics=[PROGRESS],
            handlers={separation_pb2.SeparationProgress: seen},
        )
        with Running(consumer):
            until(arrives, "a late post")
