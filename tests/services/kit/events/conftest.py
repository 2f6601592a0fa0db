"""Consumers of separation.progress.v1, in the three ways to read."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from services.kit.events.consumer import Consumer
from services.kit.events.producer import EventProducer
from tests.broker import PATIENCE_SECONDS, Broker
from tests.services.kit.events.consuming import progress_consumer

MakeConsumer = Callable[..., Consumer]

# The local broker lets the first member of a group wait for half of its session.
WAYS: dict[str, dict[str, Any]] = {
    "member of a group": {"group": "test", "session_seconds": 15.0},
    "sole reader of a group": {"group": "test", "sole": True},
    "without a group": {"group": None},
}


@pytest.fixture(params=WAYS)
def consumer(request: pytest.FixtureRequest, broker: Broker, patient_clients: None) -> MakeConsumer:
    """Makes consumers of separation.progress.v1 that read in one of the three ways."""
    return partial(progress_consumer, broker, **WAYS[request.param])


@pytest.fixture(params=[way for way in WAYS if way != "without a group"])
def group_consumer(request: pytest.FixtureRequest, broker: Broker, patient_clients: None) -> MakeConsumer:
    """Only the ways that commit."""
    return partial(progress_consumer, broker, **WAYS[request.param])


@pytest.fixture
def sole_consumer(broker: Broker, patient_clients: None) -> MakeConsumer:
    """Where the way makes no difference: the quickest one."""
    return partial(progress_consumer, broker, **WAYS["sole reader of a group"])


@pytest.fixture
def producer(broker: Broker, patient_clients: None) -> Iterator[EventProducer]:
    with EventProducer(broker.brokers, "tests", timeout_seconds=PATIENCE_SECONDS) as made:
        yield made
