"""What every Kafka client of ours has in common. The one place that knows how to reach the brokers."""

import socket
from typing import Any

from kafka.errors import KafkaError

from services.kit.errors import Unavailable
from services.kit.events import kafka_python, refusals
from services.kit.events.brokers import Brokers
from services.kit.events.oauth import ClientCredentials

BOOTSTRAP_SECONDS = 3.0
"""How long a new client tries to find the brokers before it says that they are away."""
REQUEST_SECONDS = 4.0
"""How long a broker's answer is waited for."""


class BrokerUnavailable(Unavailable):
    """No broker answered in time."""

    code = "broker_unavailable"
    title = "The event log cannot be reached"


class BrokerRefuses(BrokerUnavailable):
    """The brokers are there and do not let us in; the text says why."""


def connect(kind: type[Any], brokers: Brokers, client_id: str, **options: Any) -> Any:
    """A kafka-python client of that class, connected. Raises BrokerUnavailable, KafkaError or OSError.

    No wait in it is long: whoever waits longer does it on purpose, by trying again.
    """
    _knock(brokers.addresses)
    made: list[Any] = []
    failures: list[Exception] = []

    def network(**config: Any) -> Any:
        made.append(kafka_python.network(failures, lambda: refusals.why(failures, brokers) is not None, **config))
        return made[-1]

    try:
        return kind(
            bootstrap_servers=[address.strip() for address in brokers.addresses.split(",")],
            client_id=f"stemwright-{client_id}",
            kafka_client=network,
            bootstrap_timeout_ms=int(BOOTSTRAP_SECONDS * 1000),
            request_timeout_ms=int(REQUEST_SECONDS * 1000),
            reconnect_backoff_ms=50,
            reconnect_backoff_max_ms=500,
            # A topic that was made anew shows by its id, in fresh metadata.
            metadata_max_age_ms=15_000,
            **_credentials(brokers),
            **options,
        )
    except BaseException as error:
        # A constructor that fails leaves the thread behind that it started.
        for client in made:
            client.close()
        if isinstance(error, KafkaError | OSError):
            why = refusals.why(failures, brokers)
            if why is not None:
                raise BrokerRefuses(why) from error
        raise


def _credentials(brokers: Brokers) -> dict[str, Any]:
    """What a client is told about TLS and about who we are."""
    told: dict[str, Any] = {"security_protocol": brokers.security_protocol}
    if brokers.encrypted:
        files = {
            "ssl_cafile": brokers.ca_file,
            "ssl_certfile": brokers.certificate_file,
            "ssl_keyfile": brokers.certificate_key_file,
        }
        told |= {name: str(file) for name, file in files.items() if file is not None}
    if brokers.signs_in:
        told["sasl_mechanism"] = brokers.sasl_mechanism
        if brokers.sasl_mechanism == "OAUTHBEARER":
            told["sasl_oauth_token_provider"] = ClientCredentials(brokers.token_url, brokers.username, brokers.password)
        else:
            told["sasl_plain_username"] = brokers.username
            told["sasl_plain_password"] = brokers.password.get_secret_value()
    return told


def _knock(addresses: str) -> None:
    """Says at once that nobody is there; the clients would look for as long as they may."""
    problem: OSError | None = None
    for address in addresses.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=BOOTSTRAP_SECONDS).close()
        except OSError as error:
            problem = error
        else:
            return
    reason = problem and (problem.strerror or problem)
    raise BrokerUnavailable(f"no broker at {addresses} (KAFKA_BOOTSTRAP_SERVERS): {reason}")
