"""What every Kafka client of ours has in common. The one place that knows how to reach the brokers."""

from typing import Any

from services.kit.errors import Unavailable

BOOTSTRAP_SECONDS = 3.0
"""How long a new client tries to find the brokers before it says that they are away."""


class BrokerUnavailable(Unavailable):
    """No broker answered in time."""

    code = "broker_unavailable"
    title = "The event log cannot be reached"


def client_options(bootstrap: str, client_id: str) -> dict[str, Any]:
    """Options of a kafka-python client. No wait in it is long: whoever waits longer does it on purpose, by retrying."""
    return {
        "bootstrap_servers": bootstrap.split(","),
        "client_id": f"stemwright-{client_id}",
        "bootstrap_timeout_ms": int(BOOTSTRAP_SECONDS * 1000),
        "request_timeout_ms": 4000,
        "reconnect_backoff_ms": 50,
        "reconnect_backoff_max_ms": 500,
        # After a broker lost everything the old positions mean other records; metadata show it by the topics' ids.
        "metadata_max_age_ms": 15_000,
    }
