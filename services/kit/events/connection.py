"""What every Kafka client of ours has in common. The one place that knows how to reach the brokers."""

import socket
from typing import Any

from services.kit.errors import Unavailable
from services.kit.events import kafka_python

BOOTSTRAP_SECONDS = 3.0
"""How long a new client tries to find the brokers before it says that they are away."""
REQUEST_SECONDS = 4.0
"""How long a broker's answer is waited for."""


class BrokerUnavailable(Unavailable):
    """No broker answered in time."""

    code = "broker_unavailable"
    title = "The event log cannot be reached"


def connect(kind: type[Any], bootstrap: str, client_id: str, **options: Any) -> Any:
    """A kafka-python client of that class, connected. Raises BrokerUnavailable, KafkaError or OSError.

    No wait in it is long: whoever waits longer does it on purpose, by trying again.
    """
    _knock(bootstrap)
    made: list[Any] = []

    def network(**config: Any) -> Any:
        made.append(kafka_python.network(**config))
        return made[-1]

    try:
        return kind(
            bootstrap_servers=bootstrap.split(","),
            client_id=f"stemwright-{client_id}",
            kafka_client=network,
            bootstrap_timeout_ms=int(BOOTSTRAP_SECONDS * 1000),
            request_timeout_ms=int(REQUEST_SECONDS * 1000),
            reconnect_backoff_ms=50,
            reconnect_backoff_max_ms=500,
            # A topic that was made anew shows by its id, in fresh metadata.
            metadata_max_age_ms=15_000,
            **options,
        )
    except BaseException:
        # A constructor that fails leaves the thread behind that it started.
        for client in made:
            client.close()
        raise


def _knock(bootstrap: str) -> None:
    """Says at once that nobody is there; the clients would look for as long as they may."""
    problem: OSError | None = None
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=BOOTSTRAP_SECONDS).close()
        except OSError as error:
            problem = error
        else:
            return
    raise BrokerUnavailable(f"no broker at {bootstrap}: {problem}")
