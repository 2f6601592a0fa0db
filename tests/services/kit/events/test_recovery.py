"""The broker goes away, or comes back having lost everything: producers and consumers recover by themselves."""

import gc
import time
from collections.abc import Iterator
from typing import Any

import pytest
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import TopicAlreadyExistsError

from services.kit.events.admin import ensure_topics
from services.kit.events.codec import encode
from services.kit.events.connection import BrokerUnavailable, connect
from services.kit.events.consumer import Consumer
from services.kit.events.producer import EventProducer
from services.kit.events.topics import PROGRESS, TOPICS, dead_letters
from services.kit.protos import separation_pb2
from tests.broker import Broker, running_broker
from tests.ids import numbered
from tests.services.kit.events.consuming import Running, Seen, progress, until

# kafka-python leaves sockets of a broker that went away to the garbage collector.
pytestmark = [pytest.mark.kafka, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

RECOVERY_SECONDS = 180.0
WAYS: dict[str, dict[str, Any]] = {
    "member of a group": {"group": "test", "session_seconds": 2.0},
    "sole reader of a group": {"group": "test", "sole": True},
    "without a group": {"group": None},
}


@pytest.fixture(autouse=True)
def sockets_left_behind() -> Iterator[None]:
    """Collected here, where their warning is expected, and not in whichever test comes next."""
    yield
    gc.collect()


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> dict[str, Any]:
    return WAYS[request.param]


@pytest.fixture
def producer(broker: Broker) -> Iterator[EventProducer]:
    with EventProducer(broker.brokers, "tests", timeout_seconds=2.0) as made:
        yield made


def consumer_of(broker: Broker, seen: Seen, way: dict[str, Any]) -> Consumer:
    return Consumer(
        broker.brokers, name="tests", topics=[PROGRESS], handlers={separation_pb2.SeparationProgress: seen}, **way
    )


def send_until_taken(producer: EventProducer, job: str, seconds: float = RECOVERY_SECONDS) -> None:
    """Sends as the outbox relay does: again until it is there."""
    record = encode(progress(job))
    until(lambda: producer.send_records([record]) == [None], f"{job} to be taken", seconds)


def partition_counts(broker: Broker) -> dict[str, int]:
    admin = connect(KafkaAdminClient, broker.brokers, "tests")
    try:
        return {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
    finally:
        admin.close()


def make_topic(broker: Broker, name: str, partitions: int) -> None:
    """Makes a topic with that many partitions, even if a client that waits for it was quicker to have one made."""
    admin = connect(KafkaAdminClient, broker.brokers, "tests")

    def made() -> bool:
        try:
            admin.create_topics([NewTopic(name, partitions, 1)])
        except TopicAlreadyExistsError:
            admin.delete_topics([name])
            return False
        return True

    try:
        until(made, f"{name} to be made")
    finally:
        admin.close()


def test_after_an_empty_restart_every_new_event_is_handled(
    broker: Broker, producer: EventProducer, way: dict[str, Any]
) -> None:
    """More new records than old ones, so that the old position would point into the middle of them."""
    seen = Seen()
    with Running(consumer_of(broker, seen, way)) as running:
        for number in range(5):
            send_until_taken(producer, numbered("job", number))
        until(lambda: len(set(seen.keys)) == 5, "the old events")

        broker.restart_empty()
        for number in range(40):
            send_until_taken(producer, numbered("job", 100 + number))
        wanted = {numbered("job", 100 + number) for number in range(40)}
        until(lambda: wanted <= set(seen.keys), "the new events", RECOVERY_SECONDS)

        assert running.fault is None
        assert not running.ended


def test_topics_that_came_back_with_too_few_partitions_are_corrected(
    broker: Broker, producer: EventProducer, way: dict[str, Any]
) -> None:
    seen = Seen()
    with Running(consumer_of(broker, seen, way)):
        send_until_taken(producer, numbered("job", 1))
        until(lambda: seen.events, "the old event")

        broker.kill()
        broker.start()
        make_topic(broker, PROGRESS.name, 1)
        for number in range(20):
            send_until_taken(producer, numbered("job", 100 + number))
        # Making the topic anew may cost what was in it; what is sent from then on arrives.
        until(lambda: partition_counts(broker)[PROGRESS.name] == PROGRESS.partitions, "the partitions")
        wanted = {numbered("job", 200 + number) for number in range(20)}
        for job in sorted(wanted):
            send_until_taken(producer, job)
        until(lambda: wanted <= set(seen.keys), "the new events", RECOVERY_SECONDS)


def test_a_broker_that_is_away_for_a_while_is_waited_for(broker: Broker, way: dict[str, Any]) -> None:
    seen = Seen()
    with EventProducer(broker.brokers, "tests", timeout_seconds=0.5) as producer:
        send_until_taken(producer, numbered("job", 1))
        with Running(consumer_of(broker, seen, way)) as running:
            broker.kill()
            away_since = time.monotonic()
            while time.monotonic() - away_since < 4:
                (failure,) = producer.send_records([encode(progress(numbered("job", 2)))])
                assert failure is not None
            broker.start()
            send_until_taken(producer, numbered("job", 3))
            until(lambda: numbered("job", 3) in seen.keys, "the new event", RECOVERY_SECONDS)

            assert running.fault is None


def test_a_consumer_that_starts_before_the_broker_waits(way: dict[str, Any]) -> None:
    seen = Seen()
    with running_broker() as broker:
        broker.kill()
        with Running(consumer_of(broker, seen, way), ready=False) as running:
            assert not running.consumer.wait_until_ready(1.0)
            broker.start()
            assert running.consumer.wait_until_ready(RECOVERY_SECONDS)
            with EventProducer(broker.brokers, "tests") as producer:
                send_until_taken(producer, numbered("job", 1))
            until(lambda: set(seen.keys) == {numbered("job", 1)}, "the event")


def test_a_consumer_stops_within_its_grace_while_the_broker_is_away(broker: Broker, way: dict[str, Any]) -> None:
    with Running(consumer_of(broker, Seen(), way)) as running:
        broker.kill()
        # Nothing brings the broker back: a stop that waits for it would not return.
        running.end()


def test_topics_are_made_with_their_partitions_and_dead_letters() -> None:
    with running_broker() as broker:
        ensure_topics(broker.brokers, timeout_seconds=RECOVERY_SECONDS)
        ensure_topics(broker.brokers, timeout_seconds=RECOVERY_SECONDS)
        counts = partition_counts(broker)

    assert counts == {name: topic.partitions for topic in TOPICS for name in (topic.name, dead_letters(topic))}


def test_more_partitions_than_listed_stay() -> None:
    with running_broker() as broker:
        make_topic(broker, PROGRESS.name, 9)
        ensure_topics(broker.brokers, timeout_seconds=RECOVERY_SECONDS)

        assert partition_counts(broker)[PROGRESS.name] == 9


def test_ensuring_topics_says_when_there_is_no_broker() -> None:
    with running_broker() as broker:
        broker.kill()
        with pytest.raises(BrokerUnavailable):
            ensure_topics(broker.brokers, timeout_seconds=0.5)
