"""The event log: whether it is there, lets us in, and has the topics that a service needs."""

from collections.abc import Iterator

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from services.doctor.findings import Finding, ok, wrong
from services.kit.events.connection import BrokerUnavailable, connect
from services.kit.events.topics import TOPICS
from services.kit.settings import KafkaSettings


def event_log(service: str, settings: KafkaSettings) -> Iterator[Finding]:
    """Whether a service gets in, and finds its topics."""
    about = f"event log, for {service}"
    try:
        admin = connect(KafkaAdminClient, settings.kafka_bootstrap_servers, "doctor")
        try:
            there = {topic["name"] for topic in admin.describe_topics() if topic["error_code"] == 0}
        finally:
            admin.close()
    except (BrokerUnavailable, KafkaError, OSError) as error:
        yield wrong(about, error, "Look at KAFKA_BOOTSTRAP_SERVERS, and at the brokers.")
        return
    missing = [topic.name for topic in TOPICS if topic.name not in there]
    if missing:
        yield wrong(about, f"topics are missing: {', '.join(missing)}", "Run `stemwright topics apply`.")
    else:
        yield ok(about, f"{len(TOPICS)} topics")
