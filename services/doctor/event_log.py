"""The event log: whether it is there, lets us in, and has the topics that a service needs and may use."""

from collections.abc import Iterator
from dataclasses import replace

from services.doctor.findings import Finding, ok, wrong
from services.kit.events.admin import TopicsMissing, ensure_topics
from services.kit.events.brokers import Brokers
from services.kit.events.connection import BrokerRefuses, BrokerUnavailable
from services.kit.events.rights import needs_of
from services.kit.settings import KafkaSettings


def event_log(service: str, settings: KafkaSettings) -> Iterator[Finding]:
    """Whether a service gets in, finds its topics, and has its rights to them."""
    about = f"event log, for {service}"
    needs = needs_of(service)
    try:
        ensure_topics(replace(Brokers.of(settings), makes_topics=False), needs, timeout_seconds=0)
    except TopicsMissing as error:
        yield wrong(about, error, "Run `stemwright topics apply`.")
    except BrokerRefuses as error:
        yield wrong(about, error, "Mend the setting that is named; `stemwright topics rights` lists rights.")
    except BrokerUnavailable as error:
        yield wrong(about, error, "Look at KAFKA_BOOTSTRAP_SERVERS, and at the brokers.")
    else:
        yield ok(about, f"{len(needs)} topics")
