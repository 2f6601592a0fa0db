"""What the Kafka client gets wrong. What follows from it is in test_recovery.py."""

import contextlib
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import KafkaConsumer

from services.kit.events import kafka_python
from services.kit.events.connection import connect
from tests.broker import Broker


@pytest.fixture
def consumer(broker: Broker) -> Iterator[Any]:
    made = connect(KafkaConsumer, broker.brokers, "tests", group_id="members")
    yield made
    made.close()


@pytest.mark.kafka
def test_a_join_under_way_is_the_clients_reason_to_go_on_joining(consumer: Any) -> None:
    """Its other reason, more partitions than were shared out, is gone when the brokers answer between two polls."""
    coordinator = consumer._coordinator
    coordinator.rejoin_needed = False
    assert not kafka_python.keep_joining(consumer)
    assert not coordinator.rejoin_needed

    consumer.subscribe(["one"])
    coordinator._joined_subscription = {"one"}
    coordinator._assignment_snapshot = coordinator._metadata_snapshot = {"one": {0, 1, 2, 3}}
    coordinator._join_task = SimpleNamespace(is_done=True)
    assert not coordinator.need_rejoin()
    assert kafka_python.keep_joining(consumer)
    assert coordinator.need_rejoin()
    coordinator._join_task = None


def test_no_socket_outlives_a_client_that_ends_while_it_connects() -> None:
    """It would be left to the garbage collector, which warns of it: once in a thousand ends, in whatever test runs."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, contextlib.ExitStack() as others:
        for _ in range(4):
            # Nobody accepts, so that the queue is full and nobody else comes in.
            waiting = others.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        client = kafka_python.network([], lambda: False, bootstrap_servers="{}:{}".format(*server.getsockname()))
        client._manager.get_connection("bootstrap-0")
        client.poll(timeout_ms=0)
        opened = [key.fileobj for key in client._net._selector.get_map().values()]
        assert any(one.family == socket.AF_INET for one in opened)
        client.close()

    assert [one for one in opened if one.fileno() != -1] == []
