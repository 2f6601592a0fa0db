"""What the Kafka client gets wrong. What follows from it is in test_recovery.py."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import KafkaConsumer

from services.kit.events import client_gaps
from tests.broker import Broker


@pytest.fixture
def consumer(broker: Broker) -> Iterator[Any]:
    made = KafkaConsumer(bootstrap_servers=broker.bootstrap, group_id="members")
    yield made
    made.close()


@pytest.mark.kafka
def test_a_join_under_way_is_the_clients_reason_to_go_on_joining(consumer: Any) -> None:
    """Its other reason, more partitions than were shared out, is gone when the brokers answer between two polls."""
    coordinator = consumer._coordinator
    coordinator.rejoin_needed = False
    assert not client_gaps.keep_joining(consumer)
    assert not coordinator.rejoin_needed

    consumer.subscribe(["one"])
    coordinator._joined_subscription = {"one"}
    coordinator._assignment_snapshot = coordinator._metadata_snapshot = {"one": {0, 1, 2, 3}}
    coordinator._join_task = SimpleNamespace(is_done=True)
    assert not coordinator.need_rejoin()
    assert client_gaps.keep_joining(consumer)
    assert coordinator.need_rejoin()
    coordinator._join_task = None
